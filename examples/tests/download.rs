//! Images from a server on this machine that stalls, fails, lies and sends too much.
#![cfg(feature = "download")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seminar_dataset::{Corpus, Queries, s3rec};
use seminar_examples::download::Download;
use seminar_examples::progress::Counter;

static FLAKY: AtomicUsize = AtomicUsize::new(0);

fn answer(mut stream: TcpStream, image: &[u8]) {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).unwrap_or(0);
    let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut send = |status: &str, length: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    };
    match path.as_str() {
        "/good" => send("200 OK", image.len(), image),
        "/flaky" if FLAKY.fetch_add(1, Ordering::SeqCst) < 2 => send("503 Busy", 0, b""),
        "/flaky" => send("200 OK", image.len(), image),
        "/text" => send("200 OK", 5, b"hello"),
        "/large" => send("200 OK", 1 << 20, &vec![7; 1 << 20]),
        "/short" => send("200 OK", 9999, image),
        "/stall" => std::thread::sleep(Duration::from_secs(3)),
        _ => send("404 Not Found", 0, b""),
    }
}

#[test]
fn what_comes_is_kept_and_what_does_not_is_recorded() {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = png.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let served = served.clone();
            std::thread::spawn(move || answer(stream, &served));
        }
    });

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toy.txt"), "1 1 2 3 4 5 6 7 8\n").unwrap();
    let mut toy = s3rec::import(folder.path(), "toy", Queries::Logged).unwrap();
    let paths = ["good", "flaky", "missing", "text", "large", "short", "stall"];
    let urls = (0..8).map(|n| paths.get(n).map_or(String::new(), |path| format!("http://{address}/{path}")));
    toy.data.texts.image_urls = urls.map(String::into_bytes).collect();
    Corpus::write(&toy.data, folder.path()).unwrap();
    let corpus = Corpus::open(folder.path()).unwrap();
    let images = folder.path().join("images");
    let config = Download {
        timeout: Duration::from_millis(700),
        pause: Duration::from_millis(5),
        most_bytes: 100_000,
        ..Download::default()
    };
    let failures = config.run(&corpus, &images, &Counter::hidden()).unwrap();
    let failed: Vec<u32> = failures.iter().map(|(item, _)| *item).collect();
    assert_eq!(failed, [3, 4, 5, 6, 7], "{failures:?}");
    assert!(failures[0].1.contains("404") && failures[1].1.contains("not an image"), "{failures:?}");
    for item in [1, 2] {
        assert_eq!(std::fs::read(images.join(format!("{}.png", corpus.item_name(item)))).unwrap(), png);
    }
    // Again: what is there is not asked for.
    let before = FLAKY.load(Ordering::SeqCst);
    config.run(&corpus, &images, &Counter::hidden()).unwrap();
    assert_eq!(FLAKY.load(Ordering::SeqCst), before);
}
