//! Many daemons on one etcd: what they cost it, directly and through its own proxy, which joins
//! their watches.

use std::fmt::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcd_client::Client;

use crate::daemon::Daemon;
use crate::etcd::{Etcd, runtime};
use crate::fleet::Fleet;
use crate::process::Cpu;
use crate::{Arguments, Result};

/// For how long nothing happens: longer than a silent watch is left alone.
const IDLE: Duration = Duration::from_secs(12);

/// So many changes, one each so often.
const CHANGES: usize = 5_000;
const PACE: Duration = Duration::from_millis(1);

/// So that what is measured is the watch, not the writing of files.
const DEBOUNCE: [&str; 2] = ["--debounce", "5s"];

/// What was used of the processors: by etcd, by the proxy, by all daemons.
#[derive(Clone, Copy, Default)]
struct Used {
    etcd: Duration,
    proxy: Duration,
    daemons: Duration,
}

/// The three things that are measured.
struct Costs {
    start: Used,
    idle: Used,
    changes: Used,
}

/// The processes that are measured.
struct Scene<'s> {
    etcd: &'s Etcd,
    proxy: Option<Etcd>,
    daemons: Vec<Daemon>,
}

/// What they had used before.
struct Before {
    etcd: Cpu,
    proxy: Option<Cpu>,
    daemons: Vec<Cpu>,
}

impl Scene<'_> {
    fn mark(&self) -> Result<Before> {
        Ok(Before {
            etcd: self.etcd.process.cpu()?,
            proxy: self.proxy.as_ref().map(|proxy| proxy.process.cpu()).transpose()?,
            daemons: self.daemons.iter().map(|it| it.cpu()).collect::<Result<_>>()?,
        })
    }

    fn used(&self, before: &Before) -> Result<Used> {
        let mut used = Used { etcd: self.etcd.process.cpu_since(&before.etcd)?, ..Used::default() };
        if let (Some(proxy), Some(before)) = (&self.proxy, &before.proxy) {
            used.proxy = proxy.process.cpu_since(before)?;
        }
        let nothing = Cpu::default();
        for (at, daemon) in self.daemons.iter().enumerate() {
            used.daemons += daemon.cpu_since(before.daemons.get(at).unwrap_or(&nothing))?;
        }
        Ok(used)
    }
}

/// The table, in Markdown.
pub(crate) fn compare(daemons: usize, arguments: &Arguments) -> Result<String> {
    let runtime = runtime()?;
    let size = arguments.sizes.first().copied().unwrap_or(1_000);
    let etcd = Etcd::start(&arguments.data)?;
    let client = runtime.block_on(etcd.client())?;
    let mut fleet = Fleet::new(size);
    runtime.block_on(fleet.register(&client))?;
    let mut measured = Vec::new();
    for (name, daemons, by_proxy) in
        [("no daemon", 0, false), ("directly", daemons, false), ("by the proxy", daemons, true)]
    {
        let files = tempfile::tempdir_in(&arguments.files)?;
        let proxy = by_proxy.then(|| etcd.proxy(&arguments.data)).transpose()?;
        let mut scene = Scene { etcd: &etcd, proxy, daemons: Vec::new() };
        let before = scene.mark()?;
        start(&mut scene, daemons, files.path())?;
        let start = scene.used(&before)?;
        let before = scene.mark()?;
        sleep(IDLE);
        let idle = scene.used(&before)?;
        let before = scene.mark()?;
        runtime.block_on(change(&client, &mut fleet))?;
        measured.push((name, Costs { start, idle, changes: scene.used(&before)? }));
    }
    Ok(table(daemons, size, &measured))
}

fn start(scene: &mut Scene<'_>, daemons: usize, files: &Path) -> Result<()> {
    let endpoint = scene.proxy.as_ref().unwrap_or(scene.etcd).endpoint().to_owned();
    for number in 0..daemons {
        let directory = files.join(number.to_string());
        std::fs::create_dir(&directory)?;
        scene.daemons.push(Daemon::start(&endpoint, &directory, &DEBOUNCE)?);
    }
    for daemon in &mut scene.daemons {
        daemon.logs("watching")?;
    }
    Ok(())
}

async fn change(client: &Client, fleet: &mut Fleet) -> Result<()> {
    let mut kv = client.kv_client();
    let mut next = Instant::now();
    for change in 0..CHANGES {
        let (key, value) = fleet.moves(change % fleet.size());
        kv.put(key, value, None).await?;
        next += PACE;
        tokio::time::sleep_until(next.into()).await;
    }
    Ok(())
}

fn table(daemons: usize, size: usize, measured: &[(&str, Costs)]) -> String {
    let mut table = format!("| {daemons} daemons, {size} instances |");
    for (name, _) in measured {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|---|---|---|\n");
    let mut line = |name: &str, cell: &dyn Fn(&Costs) -> Duration| {
        let _ = write!(table, "| {name} |");
        for (_, costs) in measured {
            let _ = write!(table, " {:.3} |", cell(costs).as_secs_f64());
        }
        table.push('\n');
    };
    line("start of all, CPU of etcd, s", &|it| it.start.etcd);
    line("  of the proxy", &|it| it.start.proxy);
    line("  of the daemons", &|it| it.start.daemons);
    line(&format!("{} s of nothing, CPU of etcd, s", IDLE.as_secs()), &|it| it.idle.etcd);
    line("  of the proxy", &|it| it.idle.proxy);
    line("  of the daemons", &|it| it.idle.daemons);
    line(&format!("{CHANGES} changes, one each {PACE:?}, CPU of etcd, s"), &|it| it.changes.etcd);
    line("  of the proxy", &|it| it.changes.proxy);
    line("  of the daemons", &|it| it.changes.daemons);
    table
}
