//! Several futures at once, but not all.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future of a fallible step, which may borrow.
pub(crate) type Step<'s, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 's>>;

/// Runs `steps`, at most `at_once` of them at a time, until all are done or one fails; the rest is
/// then dropped.
pub(crate) async fn run<E>(steps: Vec<Step<'_, E>>, at_once: usize) -> Result<(), E> {
    let mut waiting = steps.into_iter();
    let mut running: Vec<Step<'_, E>> = waiting.by_ref().take(at_once.max(1)).collect();
    poll_fn(move |context| {
        // Every running step is polled at each wake: they are few.
        let mut position = 0;
        while let Some(step) = running.get_mut(position) {
            match step.as_mut().poll(context) {
                Poll::Pending => position += 1,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => match waiting.next() {
                    // Its successor has not been polled yet: it takes the place.
                    Some(next) => *step = next,
                    None => drop(running.swap_remove(position)),
                },
            }
        }
        if running.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn runs_all_but_not_too_many_at_once() {
        let (now, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let steps: Vec<Step<'_, ()>> = (0..20)
            .map(|number| {
                let (now, most, done) = (&now, &most, &done);
                Box::pin(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    for _ in 0..number % 3 {
                        tokio::task::yield_now().await;
                    }
                    now.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }) as Step<'_, ()>
            })
            .collect();
        run(steps, 4).await.unwrap();
        assert_eq!((done.into_inner(), most.into_inner() <= 4), (20, true));
    }

    #[tokio::test]
    async fn stops_at_the_first_failure() {
        let started = AtomicUsize::new(0);
        let steps: Vec<Step<'_, usize>> = (0..10_usize)
            .map(|number| {
                let started = &started;
                Box::pin(async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    if number == 3 { Err(number) } else { Ok(()) }
                }) as Step<'_, usize>
            })
            .collect();
        assert_eq!(run(steps, 1).await, Err(3));
        assert_eq!(started.into_inner(), 4);
    }
}
