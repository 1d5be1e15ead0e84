//! The pages of runs, sweeps and drifting chips: what is in them, and how a browser shows them.
//!
//! Without Chromium the tests say that the browser is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::Folder;

/// A script for a copy of a page, which writes the measured layout into the page.
const MEASURE: &str = r#"<script>
addEventListener("load", () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const wide = box => box.width > 300 && box.height > 150;
  const inside = box => box.left >= 0 && box.right <= innerWidth;
  const luminance = element => getComputedStyle(element).color.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0);
  document.body.dataset.layout = JSON.stringify({
    tables: all("table").filter(table => table.getBoundingClientRect().height > 20).length,
    pictures: all("figure svg").filter(svg => wide(svg.getBoundingClientRect()) && inside(svg.getBoundingClientRect())).length,
    letters: Math.min(...all("figure svg text").map(text => text.getBoundingClientRect().height)),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    cut: all(".scroll").filter(box => box.scrollWidth > box.clientWidth).length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    ink: luminance(document.body),
  });
});
</script></body>"#;

/// The page of each kind of result, with its tables and pictures.
fn pages() -> (Folder, [(&'static str, usize, usize); 4]) {
    let folder = Folder::with_run();
    let noise = ["--grid", "forward.out_noise=0,0.5"];
    folder.ok(&[&["sweep", "--model", "run", "--out", "lines"], &noise[..]].concat());
    let sizes = ["--grid", "mapping.max_input_size=128,512", "--times", "1d"];
    folder.ok(&[&["sweep", "--model", "run", "--out", "map"], &noise[..], &sizes].concat());
    folder.ok(&["drift", "run", "--out", "drift"]);
    (folder, [("run/report.html", 3, 2), ("lines/report.html", 3, 1), ("map/report.html", 1, 1), ("drift.html", 1, 1)])
}

#[test]
fn pages_stand_alone() {
    let (folder, pages) = pages();
    for (name, tables, pictures) in pages {
        let page = folder.text(name);
        assert_eq!((page.matches("<table>").count(), page.matches("<svg").count()), (tables, pictures), "{name}");
        for word in ["src=", "href=", "<script", "@import", "url("] {
            assert!(!page.contains(word), "{name} asks for nothing: {word}");
        }
    }
    assert_eq!(folder.text("run/report.html").matches("<td>").count(), 3 * 3 + 2 * 3 * 4);
}

#[test]
fn a_browser_shows_pages_at_any_width_by_day_and_night() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let Some(browser) = names.into_iter().find(works) else {
        eprintln!("left out: there is no Chromium to open pages with");
        return;
    };
    let (folder, pages) = pages();
    for (name, tables, pictures) in pages {
        let page = folder.text(name);
        assert!(page.contains("</body>"));
        folder.write("measured.html", &page.replace("</body>", MEASURE));
        for (width, is_dark) in [(800, false), (800, true), (1600, false), (1600, true)] {
            let what = format!("{name}, {width} pixels, dark: {is_dark}");
            let open = |file: &str, further: &[&str]| open(browser, &folder, file, width, is_dark, further);
            let (dom, said) = open("measured.html", &["--dump-dom"]);
            assert!(!said.contains("CONSOLE"), "{what}: {said}");
            let count = |tag: &str| dom.matches(tag).count();
            assert_eq!((count("<table>"), count("<svg")), (tables, pictures), "{what}");
            let layout = dom.split_once("data-layout=\"").and_then(|(_, rest)| rest.split_once('"'));
            let layout = layout.unwrap_or_else(|| panic!("{what}: the page was not laid out: {said}")).0;
            let layout: serde_json::Value = serde_json::from_str(&layout.replace("&quot;", "\"")).unwrap();
            assert_eq!(
                (&layout["tables"], &layout["pictures"]),
                (&tables.into(), &pictures.into()),
                "{what}: {layout}"
            );
            assert_eq!((&layout["overflow"], &layout["dark"]), (&0.into(), &is_dark.into()), "{what}: {layout}");
            assert_eq!(layout["cut"], 0, "{what}: {layout}");
            assert!(layout["letters"].as_f64().unwrap() > 8.0, "{what}: {layout}");
            let ink = layout["ink"].as_f64().unwrap();
            assert!(if is_dark { ink > 600.0 } else { ink < 150.0 }, "{what}: {layout}");
            let file = screenshot(name, width, is_dark);
            open(name, &[&format!("--screenshot={}", file.display())]);
            let (ground, size) = corner(&file);
            assert_eq!(size, width, "{what}");
            assert!(if is_dark { ground < 50 } else { ground > 240 }, "{what}: {ground}");
        }
    }
}

/// Opens a page; returns standard output and standard error of the browser.
fn open(browser: &str, folder: &Folder, page: &str, width: u32, is_dark: bool, further: &[&str]) -> (String, String) {
    let place = format!("file://{}", folder.path(page).display());
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", folder.path("browser").display()))
        .arg(format!("--window-size={width},1400"))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)))
        .args(further)
        .arg(&place)
        .output()
        .expect("the browser starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// The file of a page's picture, in `target/tmp`, where it stays to be looked at.
fn screenshot(page: &str, width: u32, is_dark: bool) -> PathBuf {
    let name = page.replace('/', "-").replace(".html", "");
    let light = if is_dark { "dark" } else { "light" };
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{width}-{light}.png"))
}

/// The brightest part of a picture's first pixel, and the picture's width.
fn corner(file: &Path) -> (u8, u32) {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).expect("a screenshot")));
    let mut reader = decoder.read_info().expect("a picture");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a picture that memory can hold")];
    let frame = reader.next_frame(&mut pixels).expect("its pixels");
    (pixels[..3].iter().copied().max().expect("three colours"), frame.width)
}
