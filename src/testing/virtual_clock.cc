#include "firebreak/testing/virtual_clock.h"

#include <algorithm>
#include <cstdio>

namespace firebreak {
namespace testing {
namespace {

// How long to wait for something to happen, in real time.
constexpr std::chrono::seconds kPatience(10);
// The time between two checks of a condition that nothing announces, such as
// that a timer has been set.
constexpr std::chrono::microseconds kLook(200);

using Steady = std::chrono::steady_clock;

Clock::Time Later(Clock::Time from, std::chrono::nanoseconds by) {
  constexpr std::chrono::nanoseconds kZero(0);
  if (by < kZero) return from;
  return from > Clock::Time::max() - by ? Clock::Time::max() : from + by;
}

}  // namespace

VirtualClock::VirtualClock()
    : start_(Steady::now()), now_(start_.time_since_epoch().count()) {}

VirtualClock::~VirtualClock() = default;

bool VirtualClock::Advance(std::chrono::nanoseconds by) {
  if (by < std::chrono::nanoseconds::zero()) {
    std::fprintf(stderr,
                 "firebreak: the virtual clock was told to move by %lld ns; it "
                 "does not run backwards and stays where it is\n",
                 static_cast<long long>(by.count()));
    return false;
  }
  std::lock_guard<std::mutex> moving(moving_);
  const Time target = Later(Now(), by);
  TellUsers();
  for (;;) {
    Time due = NextDue();
    if (due <= Now()) {
      // Another thread has just armed this timer.
      TellUsers();
      due = NextDue();
    }
    // If the timer is still due, its user has given up waiting for its clients.
    if (due >= target || due <= Now()) break;
    MoveTo(due);
  }
  MoveTo(target);
  return true;
}

bool VirtualClock::WaitForTimer(std::chrono::nanoseconds at_least,
                                std::chrono::nanoseconds at_most) {
  const auto give_up = Steady::now() + kPatience;
  while (!HasTimer(Later(Now(), at_least), Later(Now(), at_most))) {
    if (Steady::now() >= give_up) return false;
    std::unique_lock<std::mutex> lock(mu_);
    told_.wait_for(lock, kLook);
  }
  return true;
}

bool VirtualClock::AdvanceUntil(const std::function<bool()>& done,
                                std::chrono::nanoseconds within) {
  auto give_up = Steady::now() + kPatience;
  while (!done()) {
    const Time due = NextDue();
    if (due != Time::max() && due <= Later(Now(), within)) {
      std::lock_guard<std::mutex> moving(moving_);
      // The wait starts again whenever time passes, but not for a timer that
      // stays due.
      if (due > Now()) give_up = Steady::now() + kPatience;
      if (due > Now() || Steady::now() < give_up) {
        MoveTo(due);
        continue;
      }
    }
    if (Steady::now() >= give_up) return false;
    std::unique_lock<std::mutex> lock(mu_);
    told_.wait_for(lock, kLook);
  }
  return true;
}

void VirtualClock::Add(User* user) {
  std::lock_guard<std::mutex> lock(mu_);
  users_.push_back(user);
}

void VirtualClock::Remove(User* user) {
  std::unique_lock<std::mutex> lock(mu_);
  users_.erase(std::remove(users_.begin(), users_.end(), user), users_.end());
  told_.wait(lock, [&] {
    return std::find(in_use_.begin(), in_use_.end(), user) == in_use_.end();
  });
}

VirtualClock::Time VirtualClock::NextDue() {
  // The users do not call back from here, so the lock may be held.
  std::lock_guard<std::mutex> lock(mu_);
  Time next = Time::max();
  for (User* user : users_) next = std::min(next, user->NextDue());
  return next;
}

bool VirtualClock::HasTimer(Time from, Time to) {
  std::lock_guard<std::mutex> lock(mu_);
  return std::any_of(users_.begin(), users_.end(),
                     [&](User* user) { return user->HasTimer(from, to); });
}

void VirtualClock::TellUsers() {
  std::unique_lock<std::mutex> lock(mu_);
  // The lock is released while a user is called, since that may add and remove
  // users.
  const std::vector<User*> users = users_;
  for (User* const user : users) {
    if (std::find(users_.begin(), users_.end(), user) == users_.end()) continue;
    in_use_.push_back(user);
    lock.unlock();
    user->OnTimeChange();
    lock.lock();
    in_use_.erase(std::find(in_use_.begin(), in_use_.end(), user));
    told_.notify_all();
  }
}

void VirtualClock::MoveTo(Time target) {
  // `target` may be in the past, if a timer was due then.
  now_.store(std::max(target, Now()).time_since_epoch().count());
  TellUsers();
}

}  // namespace testing
}  // namespace firebreak
