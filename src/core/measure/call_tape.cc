#include "src/core/measure/call_tape.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace firebreak::core {

CallTape::Tray::Tray(Session its_session) : session(its_session) {
  calls.reserve(kCalls);
  attempts.reserve(kAttempts);
}

CallTape::Session CallTape::Start(double share) {
  MutexLock lock(&mu_);
  const uint64_t before = state_.load(std::memory_order_relaxed);
  if (ShareOf(before) != 0) return kNone;
  const Session session = std::max<Session>(SessionOf(before) + 1, 1);
  for (size_t n = 0; n < kStripes; ++n) {
    auto tray = std::make_unique<Tray>(session);
    // A tray that is still held belongs to the previous session. Nothing is
    // written to it any more, and Exchange() replaces it.
    if (auto hold = trays_.TryHold(n)) hold->swap(tray);
  }
  spare_ = std::make_unique<Tray>(session);
  lost_.store(0, std::memory_order_relaxed);
  constexpr double kAll = std::numeric_limits<uint32_t>::max();
  const auto part =
      static_cast<uint32_t>(std::clamp(std::round(share * kAll), 1.0, kAll));
  state_.store((uint64_t{session} << 32) | part, std::memory_order_relaxed);
  return session;
}

bool CallTape::Exchange(size_t n) {
  auto hold = trays_.TryHold(n);
  if (!hold) return false;
  std::unique_ptr<Tray>& tray = *hold;
  if (tray != nullptr && tray->session == spare_->session) {
    if (tray->calls.empty()) return false;
    tray.swap(spare_);
    return true;
  }
  tray = std::make_unique<Tray>(spare_->session);
  return false;
}

void CallTape::Stop(Session session) {
  MutexLock lock(&mu_);
  if (spare_ == nullptr || spare_->session != session) return;
  state_.store(uint64_t{session} << 32, std::memory_order_relaxed);
  for (size_t n = 0; n < kStripes; ++n) {
    std::unique_ptr<Tray> last;  // freed once its place is not held
    if (auto hold = trays_.TryHold(n)) last.swap(*hold);
  }
  spare_ = nullptr;
}

}  // namespace firebreak::core
