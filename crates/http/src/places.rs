//! Who may be connected at a time.
//!
//! Strangers may connect, and waiting costs them nothing, so places are dealt by three rules. A connection that waits
//! for its client gives way to a newcomer, the longest wait first, and first those of the client that waits most
//! often. No client has more than its share, by address, because addresses cost something and connections do not;
//! programs on this machine are not limited against each other. And a few places are kept for health checks: whoever
//! gets one of those, because all others are busy with answers, is answered nothing else. Event streams last, so they
//! have places of their own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub ordinary: usize,
    pub per_client: usize,
    pub for_health: usize,
    pub streams: usize,
    pub streams_per_client: usize,
}

/// Whoever counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Programs on this machine.
    Local,
    /// An address; of IPv6 the first half, since a host has all of the rest to itself.
    Remote(IpAddr),
}

impl Client {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            IpAddr::V6(address) => {
                Self::Remote(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into())
            }
            address => Self::Remote(address),
        }
    }
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Waits for a request, or for the rest of one.
    Waiting,
    /// A request is being answered.
    Answering,
    /// Events are sent.
    Streaming,
}

#[derive(Debug)]
struct Seat {
    client: Client,
    is_for_health: bool,
    doing: Doing,
    since: Instant,
    cut: Arc<Notify>,
}

impl Seat {
    fn is_ordinary(&self) -> bool {
        !self.is_for_health && self.doing != Doing::Streaming
    }
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    seats: HashMap<u64, Seat>,
}

impl Table {
    fn count(&self, matches: impl Fn(&Seat) -> bool) -> usize {
        self.seats.values().filter(|seat| matches(seat)).count()
    }

    /// Ends the connection among those that match which has waited longest. False if none waits.
    fn cut_longest_waiting(&mut self, matches: impl Fn(&Seat) -> bool) -> bool {
        let waiting = self.seats.iter().filter(|(_, seat)| seat.doing == Doing::Waiting && matches(seat));
        let longest = waiting.min_by_key(|(id, seat)| (seat.since, **id)).map(|(id, _)| *id);
        let cut = longest.and_then(|id| self.seats.remove(&id));
        cut.inspect(|seat| seat.cut.notify_one()).is_some()
    }

    /// The client with the most ordinary connections that wait.
    fn waits_most(&self) -> Option<Client> {
        let mut waiting: HashMap<Client, usize> = HashMap::new();
        for seat in self.seats.values().filter(|seat| seat.is_ordinary() && seat.doing == Doing::Waiting) {
            *waiting.entry(seat.client).or_default() += 1;
        }
        waiting.into_iter().max_by_key(|(_, count)| *count).map(|(client, _)| client)
    }
}

/// The places of one listener.
#[derive(Debug)]
pub(crate) struct Places {
    numbers: Numbers,
    table: Mutex<Table>,
}

impl Places {
    pub(crate) fn new(numbers: Numbers) -> Arc<Self> {
        Arc::new(Self { numbers, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a client that connected `now`, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, client: Client, now: Instant) -> Option<Place> {
        let mut table = self.table();
        let share = match client {
            Client::Local => self.numbers.ordinary,
            Client::Remote(_) => self.numbers.per_client,
        };
        let own = |seat: &Seat| seat.client == client && seat.is_ordinary();
        let is_ordinary = if table.count(own) >= share {
            table.cut_longest_waiting(own)
        } else if table.count(Seat::is_ordinary) >= self.numbers.ordinary {
            table.waits_most().is_some_and(|most| {
                table.cut_longest_waiting(|seat| seat.client == most && seat.is_ordinary())
            })
        } else {
            true
        };
        let is_for_health = !is_ordinary;
        if is_for_health
            && table.count(|seat| seat.is_for_health) >= self.numbers.for_health
            && !table.cut_longest_waiting(|seat| seat.is_for_health)
        {
            return None;
        }
        let id = table.next;
        table.next += 1;
        let cut = Arc::new(Notify::new());
        let seat = Seat { client, is_for_health, doing: Doing::Waiting, since: now, cut: cut.clone() };
        table.seats.insert(id, seat);
        Some(Place { places: self.clone(), id, is_for_health, cut })
    }

    /// Ends connections that have been answering one request for longer than `limit`: their clients read too slowly
    /// to be worth what is held for them.
    pub(crate) fn cut_slow_readers(&self, limit: Duration, now: Instant) {
        let mut table = self.table();
        table.seats.retain(|_, seat| {
            let is_slow = seat.doing == Doing::Answering && now.duration_since(seat.since) > limit;
            if is_slow {
                seat.cut.notify_one();
            }
            !is_slow
        });
    }
}

/// A place that a connection has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    is_for_health: bool,
    cut: Arc<Notify>,
}

impl Place {
    /// Whether only health checks are answered here.
    pub(crate) fn is_for_health(&self) -> bool {
        self.is_for_health
    }

    /// Completes when the connection has to give way.
    pub(crate) async fn given_away(&self) {
        self.cut.notified().await;
    }

    /// A request has come; the connection waits for its client again when the result is dropped.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.turn_to(Doing::Answering);
        Answering(self.clone())
    }

    /// Moves to a place for event streams. False if there is none for this client.
    pub(crate) fn stream(&self) -> bool {
        let numbers = self.places.numbers;
        let mut table = self.places.table();
        let Some(client) = table.seats.get(&self.id).map(|seat| seat.client) else { return false };
        let share = match client {
            Client::Local => numbers.streams,
            Client::Remote(_) => numbers.streams_per_client,
        };
        let streams = |seat: &Seat| seat.doing == Doing::Streaming;
        if table.count(streams) >= numbers.streams
            || table.count(|seat| streams(seat) && seat.client == client) >= share
        {
            return false;
        }
        table.seats.entry(self.id).and_modify(|seat| seat.doing = Doing::Streaming);
        true
    }

    /// Whether events are sent here, which never ends by itself.
    pub(crate) fn is_streaming(&self) -> bool {
        self.places.table().seats.get(&self.id).is_some_and(|seat| seat.doing == Doing::Streaming)
    }

    fn turn_to(&self, doing: Doing) {
        if let Some(seat) = self.places.table().seats.get_mut(&self.id) {
            (seat.doing, seat.since) = (doing, Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().seats.remove(&self.id);
    }
}

/// While this lives, the connection is busy.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Place>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.turn_to(Doing::Waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers =
        Numbers { ordinary: 4, per_client: 2, for_health: 1, streams: 3, streams_per_client: 2 };

    fn remote(last: u8) -> Client {
        Client::of(IpAddr::from([192, 0, 2, last]))
    }

    fn is_cut(place: &Place) -> bool {
        !place.places.table().seats.contains_key(&place.id)
    }

    fn admit(places: &Arc<Places>, client: Client) -> Arc<Place> {
        Arc::new(places.admit(client, Instant::now()).unwrap())
    }

    #[test]
    fn half_of_an_ipv6_address_is_one_client_and_loopback_is_this_machine() {
        let of = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), remote(1));
        assert_eq!((of("127.0.0.9"), of("::1")), (Client::Local, Client::Local));
    }

    #[test]
    fn a_client_that_has_its_share_loses_its_own_longest_wait() {
        let places = Places::new(NUMBERS);
        let other = admit(&places, remote(2));
        let (first, second) = (admit(&places, remote(1)), admit(&places, remote(1)));
        let third = admit(&places, remote(1));
        assert_eq!([&other, &first, &second, &third].map(|place| is_cut(place)), [false, true, false, false]);
        assert!(!third.is_for_health());
    }

    #[test]
    fn with_all_places_taken_the_client_that_waits_most_gives_way() {
        let places = Places::new(NUMBERS);
        let honest = admit(&places, remote(1));
        let idle: Vec<_> = (0..3).map(|_| admit(&places, Client::Local)).collect();
        let newcomer = admit(&places, remote(2));
        assert!(!newcomer.is_for_health() && !is_cut(&honest));
        assert_eq!(idle.iter().map(|place| is_cut(place)).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn busy_connections_keep_their_places_and_one_is_left_for_health() {
        let places = Places::new(NUMBERS);
        let busy: Vec<_> = (0..4).map(|_| admit(&places, Client::Local)).collect();
        let answering: Vec<_> = busy.iter().map(Place::answering).collect();
        let health = admit(&places, remote(1));
        assert!(health.is_for_health());
        assert!(busy.iter().all(|place| !is_cut(place)));
        let next = admit(&places, remote(2));
        assert!(next.is_for_health() && is_cut(&health), "a check that does not come gives way too");
        let _busy = next.answering();
        assert!(places.admit(remote(3), Instant::now()).is_none());
        drop(answering);
        assert!(!admit(&places, remote(3)).is_for_health(), "a connection that is answered waits again");
    }

    #[test]
    fn streams_have_places_of_their_own_and_a_share_each() {
        let places = Places::new(NUMBERS);
        let stream = |client| {
            let place = admit(&places, client);
            let streams = place.stream();
            (place, streams)
        };
        let streams: Vec<_> = (0..3).map(|_| stream(remote(1))).collect();
        assert_eq!(streams.iter().map(|(_, streams)| *streams).collect::<Vec<_>>(), [true, true, false]);
        let local: Vec<_> = (0..2).map(|_| stream(Client::Local)).collect();
        assert_eq!(local.iter().map(|(_, streams)| *streams).collect::<Vec<_>>(), [true, false]);
        // Streams take none of the ordinary places and do not give way.
        let more: Vec<_> = (0..3).map(|_| admit(&places, Client::Local)).collect();
        assert!(streams[..2].iter().all(|(place, _)| !is_cut(place)));
        assert!(more.iter().all(|place| !place.is_for_health()));
        drop(streams);
        assert!(admit(&places, remote(1)).stream());
    }

    #[test]
    fn an_answer_that_takes_for_ever_is_cut() {
        let places = Places::new(NUMBERS);
        let (slow, waiting) = (admit(&places, remote(1)), admit(&places, remote(1)));
        let _answering = slow.answering();
        let limit = Duration::from_secs(60);
        places.cut_slow_readers(limit, Instant::now() + limit);
        let later = Instant::now() + limit + Duration::from_secs(1);
        places.cut_slow_readers(limit, later);
        assert_eq!((is_cut(&slow), is_cut(&waiting)), (true, false));
    }

    #[test]
    fn a_dropped_place_is_free() {
        let places = Places::new(NUMBERS);
        drop(admit(&places, remote(1)));
        assert_eq!(places.table().seats.len(), 0);
    }
}
