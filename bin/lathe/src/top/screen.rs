//! The terminal itself: taken at the start, given back at the end however that comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::view::{Picture, draw};

/// How often the thread that reads keys looks whether it is still wanted.
const KEY_POLL: Duration = Duration::from_millis(250);

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// To end.
    End,
    /// Another picture: the nodes were scrolled, or the terminal has another size.
    Draw,
}

/// The dashboard on a terminal. Dropping it gives the terminal back.
pub(crate) struct Dashboard {
    terminal: DefaultTerminal,
    events: mpsc::UnboundedReceiver<Event>,
    is_over: Arc<AtomicBool>,
    skip: usize,
    nodes: usize,
}

impl Dashboard {
    /// Takes the terminal.
    pub(crate) fn start() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let (sender, events) = mpsc::unbounded_channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let read = event::poll(KEY_POLL)
                    .and_then(|is_there| if is_there { event::read().map(Some) } else { Ok(None) });
                let is_read = match read {
                    Ok(Some(event)) => sender.send(event).is_ok(),
                    Ok(None) => true,
                    Err(_) => false,
                };
                if !is_read {
                    break;
                }
            }
        });
        Ok(Self { terminal, events, is_over, skip: 0, nodes: 0 })
    }

    /// Draws, at the place to which the nodes are scrolled.
    pub(crate) fn draw(&mut self, mut picture: Picture<'_>) -> io::Result<()> {
        self.nodes = picture.nodes.len();
        picture.skip = self.skip;
        self.terminal.draw(|frame| draw(frame, &picture)).map(drop)
    }

    /// The next key that means something. A terminal that is gone has none. Safe to cancel.
    pub(crate) async fn key(&mut self) -> Key {
        loop {
            let Some(event) = self.events.recv().await else { return std::future::pending().await };
            match event {
                Event::Resize(..) => return Key::Draw,
                Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Key::End,
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Key::End,
                    KeyCode::Down => {
                        self.skip = (self.skip + 1).min(self.nodes.saturating_sub(1));
                        return Key::Draw;
                    }
                    KeyCode::Up => {
                        self.skip = self.skip.saturating_sub(1);
                        return Key::Draw;
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        ratatui::restore();
    }
}
