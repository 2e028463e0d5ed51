//! The server's memory, and a check that it does not grow.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::Soak;

const EVERY: Duration = Duration::from_secs(1);
/// The fewest samples in the second half of a process's life for a verdict: a young process still fills its
/// caches.
const ENOUGH: usize = 60;

/// The resident memory of a process at one time.
pub(crate) struct Sample {
    process: u32,
    seconds: f64,
    kib: f64,
}

/// Samples the server's memory each second until the soak is over.
pub(crate) fn sample(soak: &Soak) -> Vec<Sample> {
    let (began, mut samples) = (Instant::now(), Vec::new());
    let mut next = began;
    while soak.sleep_until(next) {
        next += EVERY;
        let process = soak.process.load(Relaxed);
        // During a restart there is no process.
        if let Some(kib) = resident(process) {
            samples.push(Sample { process, seconds: began.elapsed().as_secs_f64(), kib: kib.into() });
        }
    }
    samples
}

fn resident(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Prints the figures, and returns a fault if memory grows.
pub(crate) fn report(samples: &[Sample]) -> Option<String> {
    let last = samples.last()?;
    let least = samples.iter().map(|sample| sample.kib).fold(f64::INFINITY, f64::min);
    let most = samples.iter().map(|sample| sample.kib).fold(0.0, f64::max);
    let lives = samples.chunk_by(|one, next| one.process == next.process);
    let life = lives.max_by_key(|life| life.len())?;
    let half = &life[life.len() / 2..];
    let (from, to) = (half.first()?, half.last()?);
    let (time, slope) = (to.seconds - from.seconds, slope(half));
    println!(
        "memory    {:.1} to {:.1} MiB, {:.1} at last; {:+.0} KiB a minute over the last {time:.0} s of the longest life",
        least / 1024.0,
        most / 1024.0,
        last.kib / 1024.0,
        slope * 60.0,
    );
    let grows = half.len() >= ENOUGH && slope * time > 0.1 * from.kib;
    grows.then(|| format!("memory grows: by {:.1} MiB in {time:.0} s", slope * time / 1024.0))
}

/// Returns the growth of memory in KiB a second: the slope of the least-squares line.
fn slope(samples: &[Sample]) -> f64 {
    let (mut count, mut time, mut size) = (0.0, 0.0, 0.0);
    for sample in samples {
        (count, time, size) = (count + 1.0, time + sample.seconds, size + sample.kib);
    }
    let (time, size) = (time / count, size / count);
    let (mut together, mut apart) = (0.0, 0.0);
    for sample in samples {
        together += (sample.seconds - time) * (sample.kib - size);
        apart += (sample.seconds - time).powi(2);
    }
    if apart > 0.0 { together / apart } else { 0.0 }
}
