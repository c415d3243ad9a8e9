//! The clients' process: one thread for all publishers, one for all viewers, so that it is cheap
//! enough to be no limit.

use std::{
    collections::HashMap,
    io::BufRead,
    os::fd::AsFd,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    eventfd::EventFd,
};

use super::{
    client::{Client, ClientShared},
    publishers::{self, Publisher},
    receive::{Batch, open},
    talk::{Counted, Order, Pattern, Report, say},
    viewers::Viewer,
};

/// The server's address, where it is not this machine's loopback.
pub(crate) const SERVER_ADDRESS: &str = "PARLOR_BENCH_ADDRESS";

/// The library's client takes the last candidate, which is the loopback.
pub(crate) fn choose_server(client: &mut Client, address: Option<&str>) {
    if let (Some(server), Some(address)) = (&mut client.server, address) {
        server.set_ip(address.parse().expect("an address"));
    }
}

/// Plays all clients until told to end.
pub(crate) fn run() {
    super::server::pin(1);
    let shared = ClientShared::new();
    let (to_publishers, publishers) = mpsc::channel();
    let (to_viewers, viewers) = mpsc::channel();
    let bell = Arc::new(EventFd::new().expect("an event"));
    let threads = [
        std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || publish(&shared, &publishers)
        }),
        std::thread::spawn({
            let bell = Arc::clone(&bell);
            move || view(&shared, &viewers, &bell)
        }),
    ];
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let order: Order = serde_json::from_str(&line).expect("an order");
        let target = match &order {
            Order::Publish { .. } | Order::Answer { .. } | Order::Send(_) => &to_publishers,
            _ => &to_viewers,
        };
        let is_end = matches!(order, Order::End);
        // overflow: the server waits for each answer.
        let _ = target.send(order);
        let _ = bell.write(1);
        if is_end {
            break;
        }
    }
    drop((to_publishers, to_viewers));
    let _ = bell.write(1);
    threads.into_iter().for_each(|thread| thread.join().expect("a thread ends well"));
}

fn any_address() -> &'static str {
    if std::env::var(SERVER_ADDRESS).is_ok() { "0.0.0.0:0" } else { "127.0.0.1:0" }
}

fn publish(shared: &Arc<ClientShared>, orders: &mpsc::Receiver<Order>) {
    let server = std::env::var(SERVER_ADDRESS).ok();
    let mut offered: HashMap<u64, Client> = HashMap::new();
    let mut publishers: Vec<Publisher> = Vec::new();
    let mut pattern: Option<Pattern> = None;
    let mut batch = Batch::new();
    let mut next = Instant::now();
    loop {
        let wait = next.saturating_duration_since(Instant::now());
        match orders.recv_timeout(wait.clamp(Duration::from_micros(20), Duration::from_millis(5))) {
            Ok(Order::Publish { member, audio }) => {
                let client = Client::new(Instant::now(), shared, &format!("p{member}"));
                say(&Report::Offer { member, sdp: publishers::offer(&client, member, audio) });
                offered.insert(member, client);
            }
            Ok(Order::Answer { member, sdp }) => {
                let mut client = offered.remove(&member).expect("it has offered");
                client.take_answer(&sdp);
                choose_server(&mut client, server.as_deref());
                publishers.push(Publisher::new(member, client, open(any_address())));
            }
            Ok(Order::Send(wanted)) => pattern = Some(wanted),
            Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        let dues = publishers.iter_mut().map(|publisher| publisher.poll(pattern, &mut batch));
        next = dues.min().unwrap_or_else(|| Instant::now() + Duration::from_millis(5));
    }
}

fn view(shared: &Arc<ClientShared>, orders: &mpsc::Receiver<Order>, bell: &EventFd) {
    let server = std::env::var(SERVER_ADDRESS).ok();
    let epoll = Epoll::new(EpollCreateFlags::empty()).expect("epoll");
    epoll.add(bell.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0)).expect("epoll takes it");
    let mut viewers: HashMap<u64, Viewer> = HashMap::new();
    let mut batch = Batch::new();
    let mut events = vec![EpollEvent::empty(); 256];
    let mut overrun = overruns();
    loop {
        loop {
            match orders.try_recv() {
                Ok(Order::Watch { member }) => {
                    let client = Client::new(Instant::now(), shared, &format!("v{member}"));
                    let viewer = Viewer::new(member, client, open(any_address()));
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, member);
                    epoll.add(viewer.socket.as_fd(), event).expect("epoll takes it");
                    viewers.insert(member, viewer);
                }
                Ok(Order::Offer { member, sdp }) => {
                    if let Some(viewer) = viewers.get_mut(&member) {
                        viewer.answer(&sdp, server.as_deref());
                    }
                }
                Ok(Order::Leave { member }) => {
                    viewers.remove(&member);
                }
                Ok(Order::Count) => {
                    let mut counted = Counted::default();
                    viewers.values_mut().for_each(|viewer| viewer.add_to(&mut counted));
                    counted.delays_us.sort_unstable();
                    let now = overruns();
                    counted.overrun = now - std::mem::replace(&mut overrun, now);
                    say(&Report::Counted(counted));
                }
                Ok(Order::End) | Err(mpsc::TryRecvError::Disconnected) => return,
                Ok(_) | Err(mpsc::TryRecvError::Empty) => break,
            }
        }
        let n = epoll.wait(&mut events, EpollTimeout::from(2_u8)).unwrap_or(0);
        let now = Instant::now();
        for event in &events[..n] {
            if event.data() == 0 {
                let _ = bell.read();
            }
            if let Some(viewer) = viewers.get_mut(&event.data()) {
                viewer.receive(now, &mut batch);
            }
        }
        viewers.values_mut().for_each(|viewer| viewer.tick(now));
    }
}

/// Datagrams that sockets of this network namespace had no room for (`Udp: RcvbufErrors`).
fn overruns() -> u64 {
    let snmp = std::fs::read_to_string("/proc/self/net/snmp").expect("Linux");
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}
