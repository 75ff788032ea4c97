use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::{boottime, host};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(400);

fn campaign() -> (tempfile::TempDir, Campaign) {
    let temp = tempfile::tempdir().unwrap();
    let campaign = Campaign::at(temp.path());
    campaign.create().unwrap();
    (temp, campaign)
}

fn take(campaign: &Campaign, takeover: Duration) -> Taken {
    Lease::take(campaign, takeover).unwrap()
}

fn mine(taken: Taken) -> Lease {
    match taken {
        Taken::Mine(lease) => lease,
        Taken::Held(held) => panic!("{held}"),
    }
}

fn held(taken: Taken) -> HeldBy {
    match taken {
        Taken::Mine(lease) => panic!("{lease:?}"),
        Taken::Held(held) => held,
    }
}

/// This process, as if it ran on another host.
fn elsewhere() -> Identity {
    let me = Identity::current().unwrap();
    Identity { host: Host { name: "elsewhere".into(), boot_id: "another".into() }, ..me }
}

fn lease_files(campaign: &Campaign) -> Vec<String> {
    let mut names: Vec<String> = names(&campaign.lease_dir(), "").unwrap();
    names.sort();
    names
}

/// The other process of these tests: does what it is told on its standard input, a line an order.
struct Other {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start(campaign: &Campaign, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lease::tests::the_other_process", "--nocapture"])
            .env("BANDMASTER_TEST_CAMPAIGN", campaign.root())
            .env("BANDMASTER_TEST_ROLE", role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, answers }
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the other process is gone");
            // The test harness talks too, and does not always end its line.
            if let Some((_, answer)) = line.trim_end().split_once("answer: ") {
                return answer.to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test by itself: what [`Other`] runs.
#[test]
fn the_other_process() {
    let (Ok(root), Ok(role)) = (std::env::var("BANDMASTER_TEST_CAMPAIGN"), std::env::var("BANDMASTER_TEST_ROLE")) else { return };
    let campaign = Campaign::at(root);
    if role == "contend" {
        return contend(&campaign);
    }
    let me = if role == "elsewhere" { elsewhere() } else { Identity::current().unwrap() };
    let mut lease = None;
    for order in io::stdin().lines() {
        let answer = match order.unwrap().as_str() {
            "take" => {
                let taken = mine(Lease::take_as(&campaign, LONG, &me).unwrap());
                let epoch = taken.epoch();
                lease = Some(taken);
                epoch.to_string()
            }
            "still mine?" => lease.as_ref().unwrap().still_mine().unwrap().to_string(),
            "release" => format!("{:?}", lease.take().unwrap().release().is_ok()),
            other => panic!("{other}"),
        };
        println!("answer: {answer}");
    }
}

#[test]
fn one_holds_and_the_next_takes_the_next_number() {
    let (_temp, campaign) = campaign();
    let first = mine(take(&campaign, LONG));
    assert_eq!((first.epoch(), first.clean(), first.still_mine().unwrap()), (Epoch(1), false, true));
    let by = held(take(&campaign, Duration::ZERO));
    assert_eq!((by.epoch, by.holder.as_ref(), by.takeover_in), (Epoch(1), Some(first.identity()), None));
    assert!(by.to_string().contains(&format!("process {}", std::process::id())), "{by}");
    first.release().unwrap();
    let second = mine(take(&campaign, LONG));
    assert_eq!((second.epoch(), second.clean()), (Epoch(2), true));
    assert_eq!(lease_files(&campaign), ["2"]);
}

#[test]
fn a_lease_that_is_dropped_is_free_and_not_clean() {
    let (_temp, campaign) = campaign();
    drop(mine(take(&campaign, LONG)));
    let second = mine(take(&campaign, LONG));
    assert_eq!((second.epoch(), second.clean()), (Epoch(2), false));
}

#[test]
fn whoever_asks_who_holds_the_lease_learns_it_and_leaves_no_trace() {
    let (_temp, campaign) = campaign();
    assert_eq!(Lease::holder(&campaign).unwrap(), None);
    let lease = mine(take(&campaign, LONG));
    let held = Lease::holder(&campaign).unwrap().unwrap();
    assert_eq!((held.epoch, held.holder.as_ref()), (lease.epoch(), Some(lease.identity())));
    lease.release().unwrap();
    assert_eq!(Lease::holder(&campaign).unwrap(), None);
    let elsewhere = mine(Lease::take_as(&campaign, LONG, &elsewhere()).unwrap());
    assert_eq!(Lease::holder(&campaign).unwrap().unwrap().takeover_in, None);
    drop(elsewhere);
    assert_eq!(Lease::holder(&campaign).unwrap(), None);
    assert_eq!(std::fs::read_dir(campaign.seen()).unwrap().count(), 0);
}

#[test]
fn the_lease_of_a_killed_process_is_taken_at_once() {
    let (_temp, campaign) = campaign();
    let mut other = Other::start(&campaign, "here");
    assert_eq!(other.ask("take"), "1");
    assert_eq!(held(take(&campaign, Duration::ZERO)).holder.unwrap().pid, other.child.id());
    other.signal(Signal::SIGKILL);
    assert_eq!(other.child.wait().unwrap().signal(), Some(9));
    let lease = mine(take(&campaign, LONG));
    assert_eq!((lease.epoch(), lease.clean()), (Epoch(2), false));
}

#[test]
fn a_holder_of_this_host_is_never_evicted_while_it_lives_even_stopped() {
    let (_temp, campaign) = campaign();
    let mut other = Other::start(&campaign, "here");
    other.ask("take");
    other.signal(Signal::SIGSTOP);
    held(take(&campaign, Duration::ZERO));
    sleep(Duration::from_millis(20));
    held(take(&campaign, Duration::ZERO));
    other.signal(Signal::SIGCONT);
    assert_eq!(other.ask("still mine?"), "true");
}

#[test]
fn a_silent_holder_elsewhere_is_evicted_after_the_takeover_time_and_not_before() {
    let (_temp, campaign) = campaign();
    let mut first = mine(Lease::take_as(&campaign, LONG, &elsewhere()).unwrap());
    let mut seen = boottime();
    assert_eq!(held(take(&campaign, SHORT)).takeover_in, Some(SHORT));
    sleep(SHORT / 2);
    let rest = held(take(&campaign, SHORT)).takeover_in.unwrap();
    assert!(rest <= SHORT / 2, "{rest:?}");
    // A sign of life begins the time anew.
    first.renew().unwrap();
    seen += boottime() - seen;
    assert_eq!(held(take(&campaign, SHORT)).takeover_in, Some(SHORT));
    let lease = loop {
        match take(&campaign, SHORT) {
            Taken::Mine(lease) => break lease,
            Taken::Held(_) => sleep(Duration::from_millis(5)),
        }
    };
    assert!(boottime() - seen >= SHORT);
    assert_eq!((lease.epoch(), lease.clean()), (Epoch(2), false));
    assert!(!first.still_mine().unwrap());
}

#[test]
fn an_evicted_holder_that_slept_notices_and_harms_nobody() {
    let (_temp, campaign) = campaign();
    let mut other = Other::start(&campaign, "elsewhere");
    assert_eq!(other.ask("take"), "1");
    assert_eq!(other.ask("still mine?"), "true");
    other.signal(Signal::SIGSTOP);
    held(take(&campaign, SHORT));
    sleep(SHORT);
    let lease = mine(take(&campaign, SHORT));
    other.signal(Signal::SIGCONT);
    assert_eq!(other.ask("still mine?"), "false");
    assert_eq!(other.ask("release"), "true");
    assert!(lease.still_mine().unwrap());
    assert_eq!(lease_files(&campaign), ["2"]);
}

#[test]
fn what_another_boot_of_this_host_saw_says_nothing() {
    let (_temp, campaign) = campaign();
    let _first = mine(Lease::take_as(&campaign, LONG, &elsewhere()).unwrap());
    held(take(&campaign, SHORT));
    let seen = campaign.seen().join(Identity::current().unwrap().host.name);
    let text = fs::read_to_string(&seen).unwrap().replace(&host::kernel_boot_id().unwrap(), "before");
    fs::write(&seen, text).unwrap();
    sleep(SHORT);
    assert_eq!(held(take(&campaign, SHORT)).takeover_in, Some(SHORT));
    assert_eq!(names::<String>(&campaign.seen(), "").unwrap().len(), 1);
}

#[test]
fn a_lease_that_cannot_be_read_is_judged_by_its_silence() {
    let (_temp, campaign) = campaign();
    fs::write(campaign.lease_dir().join("7"), "garbage\n").unwrap();
    assert_eq!(held(take(&campaign, SHORT)).holder, None);
    sleep(SHORT);
    assert_eq!(mine(take(&campaign, SHORT)).epoch(), Epoch(8));
}

#[test]
fn a_number_is_not_taken_again_by_one_who_looked_long_ago() {
    let (_temp, campaign) = campaign();
    let dir = campaign.lease_dir();
    let lease = mine(take(&campaign, LONG));
    lease.release().unwrap();
    let lease = mine(take(&campaign, LONG));
    // Number 1 was free when this one looked; now its file is gone, so that it can be created.
    assert!(Lease::create(&dir, Epoch(1), &elsewhere(), b"late\n", true).unwrap().is_none());
    assert!(lease.still_mine().unwrap());
    assert_eq!(lease_files(&campaign), ["2"]);
}

#[test]
fn what_a_crash_left_while_creating_is_removed() {
    let (_temp, campaign) = campaign();
    for name in [".1.X", ".0.X", ".9.X"] {
        fs::write(campaign.lease_dir().join(name), "half").unwrap();
    }
    let _lease = mine(take(&campaign, LONG));
    assert_eq!(lease_files(&campaign), [".9.X", "1"]);
}

#[test]
fn epochs_go_on_when_the_leases_were_lost() {
    let (_temp, campaign) = campaign();
    fs::write(campaign.searcher_journals().join("41.jrn"), "").unwrap();
    let lease = mine(take(&campaign, LONG));
    assert_eq!((lease.epoch(), lease.clean()), (Epoch(42), false));
}

/// Takes the lease again and again, and says in a common file when it holds it.
fn contend(campaign: &Campaign) {
    let mut log = OpenOptions::new().append(true).open(campaign.config()).unwrap();
    let mut wins = 0;
    while wins < 25 {
        let Taken::Mine(lease) = take(campaign, LONG) else { continue };
        let (pid, epoch) = (std::process::id(), lease.epoch());
        log.write_all(format!("enter {epoch} {pid}\n").as_bytes()).unwrap();
        assert!(lease.still_mine().unwrap());
        log.write_all(format!("leave {epoch} {pid}\n").as_bytes()).unwrap();
        lease.release().unwrap();
        wins += 1;
    }
    println!("answer: done");
}

#[test]
fn among_many_processes_of_which_some_are_killed_one_holds_at_a_time() {
    let (_temp, campaign) = campaign();
    fs::write(campaign.config(), "").unwrap();
    let mut others: Vec<Other> = (0..6).map(|_| Other::start(&campaign, "contend")).collect();
    let doomed = others.split_off(4);
    for mut other in doomed {
        sleep(Duration::from_millis(30));
        other.child.kill().unwrap();
        other.child.wait().unwrap();
    }
    for other in &mut others {
        assert_eq!(other.answer(), "done");
    }
    let survivors: Vec<String> = others.iter().map(|other| other.child.id().to_string()).collect();
    let log = fs::read_to_string(campaign.config()).unwrap();
    let mut last = 0;
    let mut inside: Option<(&str, &str)> = None;
    for line in log.lines() {
        let [what, epoch, pid] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if what == "leave" {
            assert_eq!(inside.take(), Some((epoch, pid)), "{log}");
            continue;
        }
        if let Some((_, before)) = inside {
            assert!(!survivors.iter().any(|pid| pid == before), "two at once:\n{log}");
        }
        let number: u64 = epoch.parse().unwrap();
        assert!(number > last, "a number twice:\n{log}");
        last = number;
        inside = Some((epoch, pid));
    }
    assert!(last >= 100);
    assert_eq!(lease_files(&campaign).len(), 1);
}
