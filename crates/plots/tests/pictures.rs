//! Files of pictures: sizes, and what is drawn where.

use std::error::Error;
use std::path::Path;

use ohmgrad_plots::{
    Axis, Corner, Figure, HeatMap, Layout, Mark, PlotError, Scale, Series, save_with, training_curves,
};

/// A layout for a column of a journal.
fn column() -> Layout {
    Layout { size_mm: Some((85.0, 60.5)), font_pt: 8.0, ..Layout::default() }
}

fn chart(series: Vec<Series>) -> Figure {
    let axis = |name: &str| Axis::new(name, Scale::Linear);
    Figure { x: axis("x").within(0.0, 10.0), y: axis("y").within(-1.0, 1.0), series, legend: Corner::UpperRight }
}

/// The text of a picture as SVG.
fn svg(panels: &[Figure], layout: &Layout) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.svg");
    save_with(&file, panels, layout).unwrap();
    std::fs::read_to_string(file).unwrap()
}

/// The tags of a name that have all of these words.
fn tags<'a>(svg: &'a str, name: &str, words: &[&str]) -> Vec<&'a str> {
    let start = format!("<{name} ");
    svg.lines().filter(|line| line.starts_with(&start) && words.iter().all(|word| line.contains(word))).collect()
}

/// The numbers of an attribute.
fn numbers(tag: &str, attribute: &str) -> Vec<f64> {
    let (_, rest) = tag.split_once(&format!(" {attribute}=\"")).unwrap();
    let value = rest.split('"').next().unwrap();
    value.split([' ', ',']).filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
}

fn text<'a>(svg: &'a str, words: &str) -> Option<&'a str> {
    let lines: Vec<&str> = svg.lines().collect();
    lines.windows(2).find(|pair| pair[0].starts_with("<text") && pair[1] == words).map(|pair| pair[0])
}

/// The colour of the first series.
const FIRST: &str = "#0072B2";

#[test]
fn sizes_are_in_millimetres_and_points() {
    let figure = training_curves(&[("digital", &[1.0, 0.5, 0.1])]);
    let text_of = |layout: &Layout| svg(std::slice::from_ref(&figure), layout);
    let picture = text_of(&column());
    // 300 dots per inch.
    assert!(picture.contains("width=\"85mm\" height=\"60.5mm\" viewBox=\"0 0 1004 715\""), "{}", &picture[..200]);
    let points = |picture: &str, dots: f64| numbers(text(picture, "digital").unwrap(), "font-size")[0] / dots * 72.0;
    assert!((points(&picture, 300.0) - 8.0).abs() < 0.01);
    let by_default = text_of(&Layout::default());
    assert!(by_default.contains("width=\"760\" height=\"460\" viewBox=\"0 0 760 460\""));
    assert!((points(&by_default, 96.0) - Layout::default().font_pt).abs() < 0.01);
}

#[test]
fn pixels_have_a_size_on_paper() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let header = |file: &Path| -> Result<_, Box<dyn Error>> {
        let reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file)?)).read_info()?;
        let info = reader.info();
        Ok((info.width, info.height, info.pixel_dims.unwrap().xppu, info.pixel_dims.unwrap().unit))
    };
    let file = folder.path().join("chart.png");
    chart(vec![]).save_with(&file, &column())?;
    assert_eq!(header(&file)?, (1004, 715, 11_811, png::Unit::Meter));
    let labels = |name: &str| (name.to_owned(), vec!["1".to_owned(), "2".to_owned()]);
    let cells = vec![Some((0.5, "0.5".into())); 4];
    HeatMap { title: "t".into(), across: labels("a"), down: labels("d"), cells }.save_with(&file, &column())?;
    assert_eq!(header(&file)?, (1004, 715, 11_811, png::Unit::Meter));
    chart(vec![]).save(&file)?;
    assert_eq!(header(&file)?, (2280, 1380, 11_339, png::Unit::Meter));
    Ok(())
}

#[test]
fn impossible_layouts_are_errors() {
    let error = |layout: Layout| chart(vec![]).save_with("never.svg", &layout).unwrap_err();
    for layout in [
        Layout { size_mm: Some((0.0, 60.0)), ..column() },
        Layout { size_mm: Some((85.0, f64::NAN)), ..column() },
        Layout { size_mm: Some((85.0, 2000.0)), ..column() },
        Layout { font_pt: 0.0, ..column() },
    ] {
        assert!(matches!(error(layout.clone()), PlotError::Layout { .. }), "{layout:?}");
    }
    let large = error(Layout { size_mm: Some((85.0, 2000.0)), ..column() }).to_string();
    assert_eq!(large, "layout: size_mm = (85, 2000): must be above 0 and at most 1000");
    let small = error(Layout { size_mm: Some((20.0, 60.0)), ..column() }).to_string();
    assert_eq!(small, "layout: type of 8.0 pt needs a picture of at least 47 × 34 mm");
}

#[test]
fn nothing_is_outside_of_limits() {
    let wave = |i: i32| (f64::from(i) / 10.0 - 5.0, 3.0 * f64::from(i).sin());
    let wave: Vec<(f64, f64)> = (0..300).map(wave).collect();
    let picture = svg(
        &[chart(vec![
            Series::new("", Mark::Line, wave.clone()),
            Series::new("", Mark::Area, wave.clone()),
            Series::new("", Mark::Points, wave.clone()).with_errors(vec![0.5; 300]),
            Series::new("", Mark::Bars(0.5), wave.clone()),
        ])],
        &Layout::default(),
    );
    // The axes in pixels: ticks of both ends have the axes' ends.
    let at = |words: &str, attribute: &str| numbers(text(&picture, words).unwrap(), attribute)[0];
    let (x, y) = (at("0", "x")..=at("10", "x"), at("1.0", "y")..=at("−1.0", "y"));
    let mut drawn = 0;
    // Caps of error bars are as wide as dots, also at the ends of axes.
    let is_cap =
        |tag: &&str| matches!(numbers(tag, "points")[..], [left, y, right, other] if y == other && right - left == 8.0);
    let lines = tags(&picture, "polyline", &["stroke-width=\"2\""]).into_iter().filter(|tag| !is_cap(tag));
    for tag in lines.chain(tags(&picture, "polygon", &[])) {
        for place in numbers(tag, "points").chunks(2) {
            drawn += 1;
            assert!(x.contains(&place[0]) && y.contains(&place[1]), "{place:?} in {tag}");
        }
    }
    for tag in tags(&picture, "circle", &[]) {
        drawn += 1;
        assert!(x.contains(&numbers(tag, "cx")[0]) && y.contains(&numbers(tag, "cy")[0]), "{tag}");
    }
    // Bars are the rectangles of a colour with half of its strength.
    for tag in tags(&picture, "rect", &["opacity=\"0.5\""]) {
        drawn += 1;
        let [left, top, width, height] = ["x", "y", "width", "height"].map(|name| numbers(tag, name)[0]);
        assert!(x.contains(&left) && x.contains(&(left + width)), "{tag}");
        assert!(y.contains(&top) && y.contains(&(top + height)), "{tag}");
    }
    assert!(drawn > 300, "{drawn} places");
}

#[test]
fn error_bars_reach_from_end_to_end() {
    let points = vec![(2.0, 0.0), (4.0, 0.5), (6.0, 0.9)];
    let with = |errors: [f64; 3]| {
        let series = Series::new("measured", Mark::Points, points.clone()).with_errors(errors);
        svg(&[chart(vec![series])], &Layout::default())
    };
    let picture = with([0.5, 0.25, 0.5]);
    let y = |words: &str| numbers(text(&picture, words).unwrap(), "y")[0];
    let bars: Vec<Vec<f64>> =
        tags(&picture, "polyline", &[FIRST]).into_iter().map(|tag| numbers(tag, "points")).collect();
    let upright: Vec<(f64, f64)> = bars.iter().filter(|bar| bar[0] == bar[2]).map(|bar| (bar[1], bar[3])).collect();
    assert_eq!(upright[0], (y("−0.5"), y("0.5")));
    assert_eq!(upright[2].1, y("1.0"), "cut at the limit");
    // Three bars and that of the legend; caps at all ends but the one that is cut.
    assert_eq!((upright.len(), bars.len()), (4, 4 + 5));
    assert_eq!(tags(&with([0.0; 3]), "polyline", &[FIRST]).len(), 1, "that of the legend");
}

#[test]
fn error_bars_below_zero_reach_the_end_of_a_logarithmic_axis() {
    let y = Axis::new("y", Scale::Log).within(0.01, 1.0);
    let series = vec![Series::new("", Mark::Points, vec![(5.0, 0.1)]).with_errors([0.2])];
    let picture = svg(&[Figure { y, ..chart(series) }], &Layout::default());
    let bars = tags(&picture, "polyline", &[FIRST]);
    let lowest = numbers(bars[0], "points")[1];
    assert_eq!(lowest, numbers(text(&picture, "0.01").unwrap(), "y")[0]);
    assert_eq!(bars.len(), 2, "the bar, and the cap at its upper end");
}

#[test]
fn several_panels_have_letters_if_asked() {
    let panels = [chart(vec![]), chart(vec![]), chart(vec![])];
    let layout = Layout { letters: true, ..Layout::default() };
    let picture = svg(&panels, &layout);
    let at = |picture: &str, letter: &str| {
        let tag = text(picture, letter).unwrap_or_else(|| panic!("no {letter}"));
        assert!(tag.contains("font-weight=\"bold\""), "{tag}");
        (numbers(tag, "x")[0], numbers(tag, "y")[0])
    };
    let [a, b, c] = ["a", "b", "c"].map(|letter| at(&picture, letter));
    assert!(a.0 < 14.0 && a.1 < 14.0 && (b.0, c.0) == (a.0 + 760.0, a.0 + 1520.0) && b.1 == a.1);
    let rows = svg(&panels, &Layout { columns: 2, ..layout.clone() });
    assert!(rows.contains("viewBox=\"0 0 1520 920\""));
    assert_eq!(at(&rows, "c"), (a.0, a.1 + 460.0));
    assert_eq!(text(&svg(&panels, &Layout::default()), "a"), None);
    assert_eq!(text(&svg(&panels[..1], &layout), "a"), None);
}

#[test]
fn texts_do_not_overlap_in_a_column() {
    let ten_years = vec![(1.0, 0.9), (3.2e8, 0.8)];
    let x = Axis::new("time since programming", Scale::Time);
    let figure = Figure { x, ..chart(vec![Series::new("a", Mark::Line, ten_years)]) };
    let shown = |layout: &Layout| {
        let picture = svg(std::slice::from_ref(&figure), layout);
        let names = ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year", "10 years"];
        names.into_iter().filter(|name| text(&picture, name).is_some()).count()
    };
    assert_eq!(shown(&Layout::default()), 7);
    assert!((3..7).contains(&shown(&column())));
}
