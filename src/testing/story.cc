#include "firebreak/testing/story.h"

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace firebreak {
namespace testing {

struct Story::Step {
  Duration next;
  Duration period;  // zero: once
  std::string what;
  std::function<std::string()> run;
};

struct Story::Line {
  Duration at;
  std::string text;
  int64_t times = 1;
  bool may_repeat = false;
};

Story::Story(std::shared_ptr<Engine> engine,
             std::shared_ptr<VirtualClock> clock)
    : engine_(std::move(engine)), clock_(std::move(clock)) {}

Story::~Story() = default;

void Story::At(Duration at, const std::string& what,
               std::function<void()> step) {
  steps_.push_back(std::make_unique<Step>(
      Step{at, Duration::zero(), what, [step = std::move(step)] {
             step();
             return std::string();
           }}));
}

void Story::Every(Duration period, const std::string& what,
                  std::function<std::string()> step) {
  if (period <= Duration::zero()) return;
  const Duration next = has_begun_ ? clock_->Now() - began_ : Duration::zero();
  steps_.push_back(
      std::make_unique<Step>(Step{next, period, what, std::move(step)}));
}

bool Story::Run(Duration duration) {
  if (!has_begun_) {
    has_begun_ = true;
    began_ = clock_->Now();
    breakers_ = BreakersOf(*engine_);
  }
  const Duration end = clock_->Now() - began_ + duration;
  for (;;) {
    // The step that is due first, and of several the first in the list.
    const auto first = std::min_element(
        steps_.begin(), steps_.end(),
        [](const auto& a, const auto& b) { return a->next < b->next; });
    const Duration now = clock_->Now() - began_;
    if (first == steps_.end() || (*first)->next >= end) {
      clock_->Advance(std::max(end - now, Duration::zero()));
      TellBreakers();
      return true;
    }
    // Breakers may open, or become half-open, while time passes.
    clock_->Advance(std::max((*first)->next - now, Duration::zero()));
    TellBreakers();
    // The step may add other steps, and so move what `first` points to.
    Step* const step = first->get();
    const bool has_ended = RunStep(step);
    if (step->period > Duration::zero()) {
      step->next += step->period;
    } else {
      steps_.erase(
          std::find_if(steps_.begin(), steps_.end(),
                       [&](const auto& each) { return each.get() == step; }));
    }
    if (!has_ended) return false;
    TellBreakers();
  }
}

bool Story::RunStep(Step* step) {
  if (step->period == Duration::zero()) Tell(step->what);
  if (patience_ <= Duration::zero()) {
    const std::string outcome = step->run();
    if (step->period > Duration::zero()) TellOutcome(step->what, outcome);
    return true;
  }
  std::future<std::string> done = std::async(std::launch::async, step->run);
  const auto is_done = [&] {
    return done.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  const bool has_ended = clock_->AdvanceUntil(is_done, patience_);
  if (!has_ended) {
    Tell(absl::StrCat(step->what, ": does not end"));
    // Whatever the step waits for by the clock comes now.
    clock_->AdvanceUntil(is_done, Duration::max());
  }
  const std::string outcome = done.get();
  if (step->period > Duration::zero()) TellOutcome(step->what, outcome);
  return has_ended;
}

void Story::Tell(const std::string& text) {
  lines_.push_back({clock_->Now() - began_, text});
}

void Story::TellOutcome(const std::string& what, const std::string& outcome) {
  ++outcomes_[what][outcome];
  const std::string text = absl::StrCat(what, ": ", outcome);
  if (!lines_.empty() && lines_.back().may_repeat &&
      lines_.back().text == text) {
    ++lines_.back().times;
    return;
  }
  Tell(text);
  lines_.back().may_repeat = true;
}

void Story::TellBreakers() {
  std::vector<BreakerState> now = BreakersOf(*engine_);
  for (const BreakerState& state : now) {
    const auto before = std::find_if(
        breakers_.begin(), breakers_.end(), [&](const BreakerState& each) {
          return each.channel == state.channel && each.target == state.target &&
                 each.method == state.method;
        });
    const std::string was = before == breakers_.end() ? "closed" : before->name;
    if (was == state.name ||
        (before == breakers_.end() && state.name == "disabled")) {
      continue;
    }
    Tell(absl::StrCat(state.method, " on \"", state.channel, "\" is ",
                      state.name, ", was ", was,
                      state.cause.empty() ? "" : ": ", state.cause));
  }
  breakers_ = std::move(now);
}

std::vector<std::string> Story::lines() const {
  std::vector<std::string> lines;
  for (const Line& line : lines_) {
    lines.push_back(absl::StrFormat(
        "%8.3fs  %s%s", std::chrono::duration<double>(line.at).count(),
        line.text,
        line.times > 1 ? absl::StrCat(" (", line.times, " times)") : ""));
  }
  return lines;
}

std::string Story::text() const {
  return absl::StrCat(absl::StrJoin(lines(), "\n"), "\n");
}

std::map<std::string, int64_t> Story::outcomes(const std::string& what) const {
  const auto found = outcomes_.find(what);
  return found == outcomes_.end() ? std::map<std::string, int64_t>()
                                  : found->second;
}

}  // namespace testing
}  // namespace firebreak
