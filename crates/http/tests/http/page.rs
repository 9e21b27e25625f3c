//! The page in a browser. Where there is no Chromium this says so and tests nothing.

use std::net::SocketAddr;
use std::process::Command;

use crate::common::{Node, Running, loopback};
use lathe_http::{Limits, NetworkPage, Server};
use serde_json::json;

/// Names of the browser.
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];
/// Milliseconds of the browser's own time that a page has. It stands still while an answer is awaited, so the servers
/// here have no place for streams, whose answers never end; a page without events asks.
const BUDGET_MS: u64 = 3000;

fn limits() -> Limits {
    Limits { max_streams: 0, ..Limits::default() }
}

/// What a browser makes of a page: its markup after scripts ran.
async fn browse(address: SocketAddr) -> Option<String> {
    let url = format!("http://{address}/?theme=dark");
    let browse = move || {
        let profile =
            std::env::temp_dir().join(format!("lathe-page-{}-{}", std::process::id(), address.port()));
        let output = BROWSERS.iter().find_map(|browser| {
            Command::new(browser)
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
                .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(format!("--virtual-time-budget={BUDGET_MS}"))
                .args(["--dump-dom", &url])
                .output()
                .ok()
        });
        let _ = std::fs::remove_dir_all(&profile);
        output
    };
    let output = tokio::task::spawn_blocking(browse).await.unwrap();
    let Some(output) = output else {
        eprintln!("chromium is not installed: the page is not tested in a browser");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_page_shows_a_node() {
    let node = Running::start(Node::default(), limits()).await;
    let Some(page) = browse(node.api).await else { return };
    for text in [
        "lathe_0 · Lathe</title>",
        "data-theme=\"dark\"",
        // The tiles, the tree, the peers and the node itself.
        "<small>finalized</small>",
        "aria-label=\"block tree\"",
        "<td>lathe_1</td><td>inbound</td>",
        "none: a plain chain",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
}

#[tokio::test]
async fn the_page_of_a_network_shows_forks_and_silent_nodes() {
    let root = |letter: char| format!("0x{}", letter.to_string().repeat(64));
    let block = |letter, slot: u64, parent| json!({ "root": root(letter), "slot": slot, "parent_root": root(parent), "proposer_index": 1, "weight": 1 });
    let blocks = json!([block('a', 1, '0'), block('b', 2, 'a'), block('c', 2, 'a')]);
    let checkpoint = json!({ "root": root('a'), "slot": 1 });
    let node = |name: &str, head| {
        json!({
            "name": name,
            "url": "http://127.0.0.1:1",
            "overview": null,
            "fork_choice": {
                "nodes": blocks,
                "head": root(head),
                "justified": checkpoint,
                "finalized": checkpoint,
                "safe_target": root('a'),
                "validator_count": 4,
            },
        })
    };
    // What others call themselves must not become markup.
    let evil = json!({ "name": "<img src=x>", "url": null, "overview": null, "fork_choice": null });
    let picture = json!([node("lathe_0", 'b'), node("ream_0", 'c'), evil]);
    let page = NetworkPage::default();
    page.show(picture.to_string());
    let server = Server::bind_network_page(loopback(), page, limits()).await.unwrap();
    let address = server.api_address().unwrap();
    let serving = tokio::spawn(server.run(std::future::pending()));
    let browsed = browse(address).await;
    serving.abort();
    let Some(page) = browsed else { return };
    for text in ["2 of 3", "1 node silent", "the nodes differ", ">lathe_0</text>", ">ream_0</text>"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert!(page.contains("&lt;img src=x&gt;") && !page.contains("<img"), "{page}");
}
