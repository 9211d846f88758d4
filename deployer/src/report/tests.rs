//! What is drawn on a terminal while somebody is asked something.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};

use super::bars::Bars;
use super::{Event, Question, Reporter, aloud_after};

/// A terminal that remembers what was written on it.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl Paper {
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().expect("paper"))
    }

    fn write(&self, text: &str) {
        self.0.lock().expect("paper").push_str(text);
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        120
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        self.write(line);
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn step(node: &str, words: &str) -> Event {
    Event::StepStarted {
        node: Some(node.into()),
        words: words.into(),
    }
}

/// Longer than a line waits until it draws itself again.
const A_WHILE: Duration = Duration::from_millis(400);

#[test]
fn nothing_is_drawn_over_a_question() {
    let paper = Paper::default();
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), 255);
    let bars = Bars::on(target);
    bars.event(&step("vm1", "start it"));
    std::thread::sleep(A_WHILE);
    assert!(paper.take().contains("start it"));

    let question = Question::begin(&bars);
    paper.take();
    bars.event(&step("vm2", "make the network"));
    bars.event(&Event::StepOutput {
        node: None,
        line: "fetching".into(),
    });
    bars.event(&Event::Warning("said meanwhile".into()));
    std::thread::sleep(A_WHILE);
    assert_eq!(paper.take(), "", "the question stays as it is");

    drop(question);
    assert!(paper.take().contains("warning: said meanwhile"));
    bars.event(&step("vm2", "start that"));
    std::thread::sleep(A_WHILE);
    assert!(paper.take().contains("start that"));
}

#[tokio::test]
async fn what_takes_long_says_what_for_and_what_is_short_does_not() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Reporter for Heard {
        fn event(&self, event: &Event) {
            self.0.lock().expect("heard").push(format!("{event:?}"));
        }
    }
    let heard = Heard::default();
    let limit = Duration::from_millis(1);
    aloud_after(limit, &heard, Some("vm2"), "an answer", async {}).await;
    assert!(heard.0.lock().expect("heard").is_empty());
    let nap = tokio::time::sleep(Duration::from_millis(50));
    aloud_after(limit, &heard, Some("vm2"), "an answer", nap).await;
    let said = heard.0.lock().expect("heard").join("\n");
    assert!(said.contains("vm2") && said.contains("an answer"), "{said}");
}
