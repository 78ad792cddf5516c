#include "src/sim/naive_client.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/core/base/deadline.h"

namespace firebreak::sim {

struct NaiveClient::Loop {
  uint64_t luck;
  Time started;
  OnCallEnd on_end;
  int attempts = 0;
};

NaiveClient::NaiveClient(Simulation* sim, const NaiveOptions& options,
                         const Target& target, WireCounts* counts)
    : sim_(sim),
      options_(options),
      target_(target),
      counts_(counts),
      tokens_(options.bucket ? options.bucket->size : 0) {}

void NaiveClient::Call(uint64_t luck, OnCallEnd on_end) {
  ++calls_;
  if (options_.bucket) {
    tokens_ = std::min(tokens_ + options_.bucket->fill, options_.bucket->size);
  }
  Send(std::make_shared<Loop>(Loop{luck, sim_->now(), std::move(on_end)}));
}

void NaiveClient::Send(const std::shared_ptr<Loop>& loop) {
  Flight::Times times;
  times.attempt_deadline = core::AttemptDeadline(
      core::kInfiniteFuture, options_.attempt_timeout, sim_->now());
  Flight::Send(
      sim_, target_, AttemptLuck(loop->luck, loop->attempts++), times, counts_,
      [this, loop](const core::AttemptEnd& end) {
        if (end.code != absl::StatusCode::kOk) {
          ++failures_;
          if (MayRetry(loop->attempts - 1)) {
            Send(loop);
            return;
          }
        }
        loop->on_end({loop->started, sim_->now(), end.code, loop->attempts});
      });
}

bool NaiveClient::MayRetry(int retries_made) {
  if (retries_made >= options_.max_retries) return false;
  if (options_.stop_above_failures > 0 &&
      failures_ / calls_ > options_.stop_above_failures) {
    return false;
  }
  if (!options_.bucket) return true;
  if (tokens_ <= 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace firebreak::sim
