#include "src/engine/io/recovery.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

// How long before a probe is due the connection is restored: enough for a
// handshake over a slow network.
constexpr core::Duration kLead = std::chrono::milliseconds(500);
// The time between two looks at an unhealthy breaker and its channels, at first
// and after a long time. In between it is a sixtieth of the time that the
// breaker has been unhealthy, as it is for probes. So a server that comes back
// waits for us no longer than that, and a server that stays away is not
// contacted five times a second by every client.
constexpr core::Duration kFirstPeriod = std::chrono::milliseconds(200);
constexpr core::Duration kLastPeriod = std::chrono::seconds(5);
// The longest time that a watch stays in the queue, and so the longest that the
// engine's end may have to wait for it.
constexpr core::Duration kLongestWatch = std::chrono::seconds(1);
// The shortest time after which a look is repeated.
constexpr core::Duration kBreath = std::chrono::milliseconds(1);

}  // namespace

core::Duration RecoveryPeriod(core::Duration unhealthy_for) {
  return std::min(std::max(unhealthy_for / 60, kFirstPeriod), kLastPeriod);
}

struct Recovery::Watched {
  std::string name;
  std::string target;
  HealthChannel link;
  std::atomic<bool> watching{false};
};

// One pending NotifyOnStateChange. Holds no strong reference to anything but
// the entry, so that it keeps neither channel nor engine alive.
class Recovery::StateWatch final : public Completion {
 public:
  StateWatch(std::weak_ptr<Recovery> recovery, std::shared_ptr<Watched> watched)
      : recovery_(std::move(recovery)), watched_(std::move(watched)) {}

  void OnComplete(bool changed) override {
    watched_->watching = false;
    if (changed) {
      if (auto recovery = recovery_.lock()) {
        core::MutexLock lock(&recovery->mu_);
        recovery->LookAtAll(*watched_);
      }
    }
    delete this;
  }

 private:
  const std::weak_ptr<Recovery> recovery_;
  const std::shared_ptr<Watched> watched_;
};

std::shared_ptr<Recovery> Recovery::Create(Io* io) {
  auto recovery = std::shared_ptr<Recovery>(new Recovery(io));
  core::MutexLock lock(&recovery->mu_);
  recovery->timer_.client = recovery;
  return recovery;
}

void Recovery::SetOwner(std::weak_ptr<void> owner) {
  checks_->SetOwner(owner);
  core::MutexLock lock(&mu_);
  owner_ = std::move(owner);
}

void Recovery::Stop() {
  checks_->Stop();
  core::MutexLock lock(&mu_);
  stopped_ = true;
  due_.clear();
  io_->Disarm(&timer_);
}

void Recovery::AddChannel(const std::string& name, const std::string& target,
                          HealthChannel channel) {
  auto watched = std::make_shared<Watched>();
  watched->name = name;
  watched->target = target;
  watched->link = std::move(channel);
  core::MutexLock lock(&mu_);
  channels_.erase(std::remove_if(channels_.begin(), channels_.end(),
                                 [](const auto& old) {
                                   return old->link.channel.expired();
                                 }),
                  channels_.end());
  channels_.push_back(std::move(watched));
}

void Recovery::OnStateChange(core::Breaker* breaker) {
  LookAt(breaker, io_->Now());
}

void Recovery::OnTickWanted(core::Breaker* breaker) {
  LookAt(breaker, breaker->next_tick());
}

void Recovery::LookAt(core::Breaker* breaker, core::Time at) {
  core::MutexLock lock(&mu_);
  if (stopped_ || at == core::kInfiniteFuture) return;
  NoteDue(breaker, at);
  WakeAt(at);
}

void Recovery::LookAtAll(const Watched& watched) {
  const core::Time now = io_->Now();
  for (auto& [breaker, due] : due_) {
    if (watched.name == breaker->identity().channel &&
        watched.target == breaker->identity().target) {
      due = std::min(due, now);
    }
  }
  WakeAt(now);
}

void Recovery::NoteDue(core::Breaker* breaker, core::Time at) {
  core::Time& due = due_.try_emplace(breaker, at).first->second;
  due = std::min(due, at);
}

void Recovery::WakeAt(core::Time at) {
  if (stopped_ || at >= wakes_at_) return;
  wakes_at_ = at;
  io_->Arm(&timer_, at);
}

void Recovery::OnTimer() {
  // Declared first, so that it is destroyed last: if this is the last reference
  // to the owner, io and the breakers are destroyed with it.
  std::shared_ptr<void> owner;
  const core::Time now = io_->Now();
  std::vector<std::pair<core::Breaker*, core::Time>> looked_at;
  {
    core::MutexLock lock(&mu_);
    owner = owner_.lock();
    if (owner == nullptr) return;
    wakes_at_ = core::kInfiniteFuture;
    // A breaker that changes while we look at it is due again.
    for (auto& [breaker, due] : due_) {
      if (due > now) continue;
      looked_at.emplace_back(breaker, due);
      due = core::kInfiniteFuture;
    }
  }
  for (auto& [breaker, next] : looked_at) {
    absl::optional<core::Duration> reconnect_for;
    next = Look(breaker, now, &reconnect_for);
    if (!reconnect_for) continue;
    bool is_connected = false;
    std::vector<HealthChannel> channels;
    for (const auto& watched : ChannelsOf(*breaker)) {
      is_connected |= Reconnect(watched, *reconnect_for);
      channels.push_back(watched->link);
    }
    if (is_connected) breaker->NoteConnected(now);
    checks_->Look(breaker, channels, now);
  }
  checks_->CancelWhatNobodyUses();
  core::MutexLock lock(&mu_);
  for (const auto& [breaker, next] : looked_at) {
    if (next == core::kInfiniteFuture) continue;
    NoteDue(breaker, std::max(next, now + kBreath));
  }
  core::Time first = core::kInfiniteFuture;
  for (auto it = due_.begin(); it != due_.end();) {
    const auto each = it++;
    first = std::min(first, each->second);
    if (each->second == core::kInfiniteFuture) due_.erase(each);
  }
  WakeAt(first);
}

core::Time Recovery::Look(core::Breaker* breaker, core::Time now,
                          absl::optional<core::Duration>* reconnect_for) {
  const core::BreakerSnapshot snapshot = breaker->Snapshot(now);
  core::Time next = core::kInfiniteFuture;
  core::Duration period = kFirstPeriod;
  bool reconnect = false;
  if (snapshot.state == core::BreakerState::kOpen) {
    const core::Time lead = core::SaturatingAdd(*snapshot.probe_due, -kLead);
    reconnect = now >= lead || snapshot.waits_for_connection;
    period = RecoveryPeriod(now - std::min(lead, snapshot.since));
    next = reconnect ? now + period : lead;
    if (snapshot.asks_health && now < *snapshot.probe_due) {
      next = std::min(next, *snapshot.probe_due);
    }
  } else if (snapshot.state == core::BreakerState::kHalfOpen) {
    reconnect = true;
    period = RecoveryPeriod(now - snapshot.since);
    next = now + period;
  }
  // A breaker in SHADOW only observes.
  if (reconnect && !snapshot.shadow) {
    *reconnect_for = std::min(period, kLongestWatch);
  }
  return std::min(next, breaker->next_tick());
}

std::vector<std::shared_ptr<Recovery::Watched>> Recovery::ChannelsOf(
    const core::Breaker& breaker) {
  std::vector<std::shared_ptr<Watched>> out;
  core::MutexLock lock(&mu_);
  for (const auto& watched : channels_) {
    if (watched->name == breaker.identity().channel &&
        watched->target == breaker.identity().target) {
      out.push_back(watched);
    }
  }
  return out;
}

bool Recovery::Reconnect(const std::shared_ptr<Watched>& watched,
                         core::Duration watch_for) {
  std::shared_ptr<grpc::Channel> channel = watched->link.channel.lock();
  if (channel == nullptr) return false;
  const grpc_connectivity_state state = channel->GetState(/*try=*/true);
  if (state == GRPC_CHANNEL_READY) return true;
  if (state == GRPC_CHANNEL_SHUTDOWN) return false;
  if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    grpc::experimental::ChannelResetConnectionBackoff(channel.get());
  }
  if (watched->watching.exchange(true)) return false;
  channel->NotifyOnStateChange(
      state,
      std::chrono::system_clock::now() +
          std::chrono::duration_cast<std::chrono::system_clock::duration>(
              watch_for),
      io_->Begin(), new StateWatch(weak_from_this(), watched));
  return false;
}

}  // namespace firebreak::engine
