//! The drift watcher by itself: whatever happens to the directories and links that lead to
//! an output, what happens to the output is noticed, and at once.

mod scene;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scene::{Scene, replace_link};

#[actix::test]
async fn what_happens_to_the_file_is_noticed_and_nothing_else() {
    let scene = Scene::watches(&["t.json"]);
    scene.notices("it is made", || scene.write("t.json")).await;
    scene.notices("it is edited", || scene.write("t.json")).await;
    scene.notices("it is replaced", || scene.rename("t.json", "old.json")).await;
    scene.notices("it is moved here", || scene.rename("old.json", "t.json")).await;
    scene.notices("it is removed", || scene.remove("t.json")).await;
    scene.overlooks("another file", || scene.write("other.json")).await;
}

#[actix::test]
async fn a_directory_that_is_removed_and_made_again_is_watched_again() {
    let scene = Scene::new(&["d/"]).and_watches(&["d/t.json"]);
    for _ in 0..3 {
        scene.notices("it is removed", || fs::remove_dir_all(scene.at("d")).unwrap()).await;
        scene.notices("it is back", || scene.make("d/")).await;
        scene.notices("the file is written", || scene.write("d/t.json")).await;
    }
    // Without time to notice what is between.
    scene
        .notices("it is another one", || {
            fs::remove_dir_all(scene.at("d")).unwrap();
            scene.make("d/");
        })
        .await;
    scene.notices("the file is written", || scene.write("d/t.json")).await;
}

#[actix::test]
async fn a_directory_that_is_renamed_away_and_back_is_watched_again() {
    let scene = Scene::new(&["d/", "d/t.json"]).and_watches(&["d/t.json"]);
    scene.notices("it is away", || scene.rename("d", "away")).await;
    scene.overlooks("the file there", || scene.write("away/t.json")).await;
    scene.notices("it is back", || scene.rename("away", "d")).await;
    scene.notices("the file is written", || scene.write("d/t.json")).await;
    scene
        .notices("another one takes its place", || {
            scene.make("new/");
            scene.rename("d", "away");
            scene.rename("new", "d");
        })
        .await;
    scene.notices("the file is written", || scene.write("d/t.json")).await;
    scene.overlooks("the file that was", || scene.write("away/t.json")).await;
}

#[actix::test]
async fn a_path_of_which_nothing_is_there_is_noticed_as_it_comes() {
    let scene = Scene::watches(&["a/b/t.json"]);
    scene.notices("a directory above", || scene.make("a/")).await;
    scene.notices("the directory", || scene.make("a/b/")).await;
    scene.notices("the file", || scene.write("a/b/t.json")).await;
    scene.notices("all of it goes", || fs::remove_dir_all(scene.at("a")).unwrap()).await;
    scene
        .notices("all of it comes at once", || {
            fs::create_dir_all(scene.at("a/b")).unwrap();
            scene.write("a/b/t.json");
        })
        .await;
    scene.notices("the file is written", || scene.write("a/b/t.json")).await;
}

#[actix::test]
async fn a_link_that_is_given_another_text_is_followed() {
    let scene = Scene::new(&["one/", "one/t.json", "two/", "t.json -> one/t.json"]);
    let scene = scene.and_watches(&["t.json"]);
    scene.notices("the file behind it", || scene.write("one/t.json")).await;
    scene.notices("the link", || scene.relink("t.json", "two/u.json")).await;
    scene.notices("the file at the new place", || scene.write("two/u.json")).await;
    scene.overlooks("the file at the old place", || scene.write("one/t.json")).await;
    scene
        .notices("the same directory, another name", || scene.relink("t.json", "two/v.json"))
        .await;
    scene.notices("the file of that name", || scene.write("two/v.json")).await;
    scene.overlooks("the file of the old name", || scene.write("two/u.json")).await;
    scene
        .notices("a file instead of the link", || {
            scene.write("file");
            scene.rename("file", "t.json");
        })
        .await;
    scene.notices("the file", || scene.write("t.json")).await;
    scene.overlooks("the file behind what was a link", || scene.write("two/v.json")).await;
}

#[actix::test]
async fn each_link_of_a_chain_is_followed() {
    let tree = ["a/", "b/", "c/", "t.json -> a/one", "a/one -> ../b/two", "b/two -> ../c/t.json"];
    let scene = Scene::new(&tree).and_watches(&["t.json"]);
    scene.notices("a file where there was none", || scene.write("c/t.json")).await;
    scene.notices("the last link", || scene.relink("b/two", "three")).await;
    scene.notices("the file behind it", || scene.write("b/three")).await;
    scene.notices("the link between", || scene.relink("a/one", "four")).await;
    scene.notices("the file behind it", || scene.write("a/four")).await;
    scene.overlooks("a link that leads there no more", || scene.relink("b/two", "five")).await;
}

#[actix::test]
async fn a_link_to_a_directory_on_the_way_is_followed() {
    let tree = ["v1/", "v1/t.json", "v2/", "v2/t.json", "now -> v1"];
    let scene = Scene::new(&tree).and_watches(&["now/t.json"]);
    scene.notices("the file", || scene.write("v1/t.json")).await;
    scene.notices("another directory", || scene.relink("now", "v2")).await;
    scene.notices("the file there", || scene.write("v2/t.json")).await;
    scene.overlooks("the file in the old one", || scene.write("v1/t.json")).await;
}

#[actix::test]
async fn links_in_a_circle_are_followed_once_they_lead_somewhere() {
    let scene = Scene::new(&["t.json -> u.json", "u.json -> t.json"]).and_watches(&["t.json"]);
    scene.notices("the circle is broken", || scene.relink("u.json", "v.json")).await;
    scene.notices("the file", || scene.write("v.json")).await;
}

#[actix::test]
async fn all_of_a_target_directory_is_watched_beside_a_file() {
    let scene = Scene::new(&["real/", "dir -> real", "f/"]);
    let scene = scene.and_watches(&["f/t.json", "dir/"]);
    scene.notices("a file in the directory", || scene.write("real/api.json")).await;
    scene.notices("another one", || scene.write("real/web.json")).await;
    scene.notices("it is removed", || scene.remove("real/web.json")).await;
    scene.overlooks("what is no target file", || scene.write("real/notes.txt")).await;
    scene
        .overlooks("our own subdirectory", || {
            scene.make("real/.etcd-sd/");
            scene.write("real/.etcd-sd/x.json");
        })
        .await;
    scene.notices("the file", || scene.write("f/t.json")).await;
    scene
        .notices("another directory", || {
            scene.make("new/");
            scene.relink("dir", "new");
        })
        .await;
    scene.notices("a file there", || scene.write("new/api.json")).await;
    scene.notices("it is removed", || fs::remove_dir_all(scene.at("new")).unwrap()).await;
    scene.notices("it is back", || scene.make("new/")).await;
    scene.notices("a file there", || scene.write("new/api.json")).await;
}

#[actix::test]
async fn a_link_that_keeps_changing_keeps_nobody_busy_and_is_followed_in_the_end() {
    let scene = Scene::new(&["one/", "two/", "t.json -> one/t.json"]).and_watches(&["t.json"]);
    scene.settles().await;
    let stop = Arc::<AtomicBool>::default();
    let (link, stopped) = (scene.at("t.json"), Arc::clone(&stop));
    let hand = std::thread::spawn(move || {
        for number in 0_u32.. {
            let to = ["one/t.json", "two/t.json"][number as usize % 2];
            replace_link(&link, Path::new(to));
            if stopped.load(Ordering::Relaxed) {
                return number;
            }
        }
        0
    });
    let (before, begun) = (scene.hints(), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let hints = scene.hints() - before;
    stop.store(true, Ordering::Relaxed);
    let changes = hand.join().unwrap();
    // Whatever the two seconds have come to.
    let most = usize::try_from(begun.elapsed().as_millis() / 10).unwrap();
    assert!((1..most).contains(&hints), "{hints} hints of {changes} changes");
    scene.relink("t.json", "two/u.json");
    scene.notices("the file", || scene.write("two/u.json")).await;
}
