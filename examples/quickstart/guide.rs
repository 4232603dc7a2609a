//! What to try next, with this run's port and path.

use std::path::Path;

use crate::console::{FAINT, STRONG};

/// The commands to copy.
pub(crate) fn guide(endpoint: &str, file: &Path) -> String {
    let file = file.display();
    let etcdctl = format!("etcdctl --endpoints={endpoint}");
    format!(
        "\
{STRONG}Try it from another terminal{STRONG:#}
  {FAINT}# a service of your own comes, and goes{FAINT:#}
  {etcdctl} put /services/mine/1 10.0.9.1:8080
  {etcdctl} del --prefix /services/mine/
  {FAINT}# with labels; and a value that is no address{FAINT:#}
  {etcdctl} put /services/mine/2 '{{\"address\":\"10.0.9.2:80\",\"labels\":{{\"zone\":\"a\"}}}}'
  {etcdctl} put /services/mine/2 nonsense
  {FAINT}# watch the file; then spoil it, and see it heal{FAINT:#}
  watch -n 0.2 cat {file}
  echo '[]' > {file}
  {FAINT}# what to tell Prometheus{FAINT:#}
  scrape_configs:
    - job_name: etcd
      file_sd_configs:
        - files: ['{file}']"
    )
}
