use proptest::prelude::*;

use super::scale::{nice, times};
use super::*;

const HOUR: (i64, i64) = (1_795_219_200, 1_795_222_800);

fn chart(lines: Vec<Line>) -> Chart<'static> {
    Chart { key: "x", title: "Memory", unit: Unit::Bytes, span: HOUR, step: 60, lines, marks: &[] }
}

fn line(points: Vec<(i64, f64)>) -> Line {
    Line { name: "held", class: "s0", points }
}

/// The commands of the only line of a chart with these points, in minutes from the beginning.
fn path(points: &[(i64, f64)]) -> String {
    let points = points.iter().map(|(minute, value)| (HOUR.0 + minute * 60, *value)).collect();
    let drawn = chart(vec![line(points)]).picture().into_string();
    drawn.split(" d=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn sides_have_round_numbers() {
    let told = |most: f64, unit: Unit| -> Vec<String> {
        nice(most, unit).into_iter().map(|tick| unit.tell(tick)).collect()
    };
    assert_eq!(told(0.0, Unit::Processors), ["0 CPU", "0.05 CPU", "0.1 CPU"]);
    assert_eq!(told(1.3, Unit::Processors), ["0 CPU", "0.5 CPU", "1 CPU", "1.5 CPU"]);
    assert_eq!(told(300e6, Unit::Bytes), ["0 B", "128 MiB", "256 MiB", "384 MiB"]);
    assert_eq!(told(0.0, Unit::Bytes), ["0 B", "256 KiB", "512 KiB", "768 KiB", "1.0 MiB"]);
    assert_eq!(told(7.0, Unit::Rate), ["0/s", "2/s", "4/s", "6/s", "8/s"]);
    assert_eq!(told(2_400.0, Unit::Millis), ["0 ms", "1 s", "2 s", "3 s"]);
    assert_eq!(told(0.4, Unit::Millis), ["0 ms", "0.5 ms", "1 ms"]);
}

#[test]
fn times_are_those_of_a_clock() {
    let told =
        |from, until| -> Vec<String> { times((from, until)).into_iter().map(|(_, text)| text).collect() };
    assert_eq!(told(HOUR.0 + 120, HOUR.1 + 120), ["00:10", "00:20", "00:30", "00:40", "00:50"]);
    assert_eq!(told(HOUR.1 - 86_400, HOUR.1), ["04:00", "08:00", "12:00", "16:00", "20:00", "00:00"]);
    assert_eq!(told(HOUR.1 - 7 * 86_400, HOUR.1).first().unwrap(), "11-15");
    assert_eq!(told(5, 5), Vec::<String>::new());
}

#[test]
fn a_line_has_a_gap_where_nothing_is_known() {
    assert_eq!(path(&[(0, 0.0), (1, 314_572_800.0), (2, 157_286_400.0)]), "M0,112 17,24 33,68");
    assert_eq!(path(&[(0, 0.0), (1, 0.0), (9, 0.0), (10, 0.0)]), "M0,112 17,112M150,112 167,112");
    assert_eq!(path(&[(30, 5.0)]), "M500,112h3", "one alone is a dot");
    assert_eq!(path(&[(0, 0.0), (30, 0.0), (31, 0.0)]), "M0,112h3M500,112 517,112");
    // Of older times there is a point for ten minutes only.
    assert_eq!(path(&[(0, 0.0), (10, 0.0), (20, 0.0)]), "M0,112 167,112 333,112");
    let none = chart(Vec::new()).picture().into_string();
    assert!(none.contains("None in this time.") && !none.contains("<svg"), "{none}");
    assert_eq!(path(&[(0, f64::NAN), (1, 1.0), (2, f64::INFINITY)]), "M17,112h3");
}

#[test]
fn deployments_are_marked_where_they_were() {
    let mark = |minute: i64| Mark {
        id: format!("id{minute}"),
        at: HOUR.0 + minute * 60,
        word: format!("#{minute}"),
        title: format!("deploy of <#{minute}>"),
        path: format!("/deployments/{minute}"),
    };
    let marks: Vec<Mark> = [-5, 6, 7, 30, 70].map(mark).into();
    let chart = Chart { marks: &marks, ..chart(vec![line(vec![(HOUR.0, 1.0)])]) };
    let drawn = chart.picture().into_string();
    assert_eq!(drawn.matches("<a id=").count(), 3, "those within the time: {drawn}");
    assert!(drawn.contains(r#"<a id="x-id30" href="/deployments/30"><title>deploy of &lt;#30&gt;</title>"#));
    assert!(drawn.contains("x1=\"50.0%\""));
    assert!(drawn.contains(">#6</text>") && !drawn.contains(">#7</text>"), "no number over another: {drawn}");
}

#[test]
fn the_numbers_stand_in_a_table_of_a_few_rows() {
    let points =
        (0..60).map(|minute| (HOUR.0 + minute * 60, f64::from(minute as u32) * 1_048_576.0)).collect();
    let table = chart(vec![line(points)]).table().into_string();
    assert_eq!(table.matches("<tr>").count(), 13);
    assert!(table.contains("<th scope=\"row\">11-21 00:55</th><td>59 MiB</td>"), "{table}");
    assert!(table.contains("The most in 5 minutes each"));
    let empty = chart(vec![line(Vec::new())]).table().into_string();
    assert!(empty.contains("None in this time."), "{empty}");
}

#[test]
fn a_chart_with_all_its_lines_and_marks_stays_small() {
    let points = || (0..500).map(|at| (HOUR.0 + at * 7, f64::from(at as u32).sin().abs() * 1e12)).collect();
    let lines = (0..5).map(|_| line(points())).collect();
    let drawn = Chart { step: 10, ..chart(lines) }.picture().into_string();
    assert!(drawn.len() <= 7_500, "{} bytes", drawn.len());
    let drawn = Chart { step: 10, ..chart(vec![line(points())]) }.picture().into_string();
    assert!(drawn.len() <= 3_000, "{} bytes", drawn.len());
}

proptest! {
    #[test]
    fn whatever_the_numbers_are_everything_is_drawn_within_the_chart(
        values in prop::collection::vec(prop_oneof![
            any::<f64>(), 0.0..1e3, Just(u64::MAX as f64), Just(f64::NAN), Just(0.0), Just(f64::MAX), Just(-1.0),
        ], 0..150),
        unit in prop_oneof![
            Just(Unit::Bytes), Just(Unit::Millis), Just(Unit::Rate), Just(Unit::Processors), Just(Unit::ByteRate)
        ],
    ) {
        let points = values.iter().enumerate().map(|(at, value)| (HOUR.0 + at as i64 * 60, *value)).collect();
        let chart = Chart { unit, ..chart(vec![line(points)]) };
        let drawn = chart.picture().into_string();
        let _ = chart.table();
        for path in drawn.split(" d=\"").skip(1) {
            let path = path.split('"').next().unwrap();
            for number in path.split(['M', 'h', ' ', ',']).filter(|it| !it.is_empty()) {
                let number: i64 = number.parse().unwrap();
                prop_assert!((0..=WIDTH).contains(&number), "{path}");
            }
        }
        prop_assert!(drawn.matches("class=\"grid\"").count() <= 5);
        let ticks = nice(values.iter().copied().filter(|it| it.is_finite()).fold(0.0, f64::max), unit);
        prop_assert!(ticks.windows(2).all(|two| two[0] < two[1]) && ticks.len() >= 2, "{ticks:?}");
    }
}
