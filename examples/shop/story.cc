#include "examples/shop/story.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "examples/shop/wait.h"

namespace shop {
namespace {

constexpr char kAnyPort[] = "127.0.0.1:0";
// The limit for steps that usually take a second or two. It is generous, for
// busy machines.
constexpr absl::Duration kLimit = absl::Seconds(20);
// The limit for charging the queued orders, which usually takes five seconds.
constexpr absl::Duration kDrainLimit = absl::Seconds(60);
// The time between two readings of the admin service.
constexpr absl::Duration kReadingPeriod = absl::Milliseconds(20);

// Waits for the answers of the calls that started in [from, to), and returns
// their summary.
absl::StatusOr<Load::Summary> Settled(const Load& load, absl::Time from,
                                      absl::Time to) {
  Load::Summary summary;
  absl::Status status = WaitUntil("calls to be answered", kLimit, [&] {
    summary = load.Between(from, to);
    return summary.answered + summary.failed == summary.calls;
  });
  if (!status.ok()) return status;
  return summary;
}

}  // namespace

Story::Story(Options options, const Report* report)
    : options_(std::move(options)), report_(report) {}

absl::StatusOr<Facts> Story::Play() {
  for (auto part :
       {&Story::PlayBaseline, &Story::Start, &Story::PlayHealthy,
        &Story::PlayFrozen, &Story::PlayOpen, &Story::Restart,
        &Story::PlayRecovery, &Story::PlayDrain, &Story::Conclude}) {
    if (absl::Status s = (this->*part)(); !s.ok()) return s;
  }
  return facts_;
}

absl::Status Story::PlayBaseline() {
  report_->Phase("without firebreak: payment answers");
  absl::StatusOr<Server> payment = StartPayment(
      options_.folders, "baseline-payment.log", kAnyPort, /*ledger=*/"");
  if (!payment.ok()) return payment.status();
  const absl::StatusOr<Helpers> helpers =
      StartHelpers(options_.folders, "baseline-");
  if (!helpers.ok()) return helpers.status();
  absl::StatusOr<Server> orders =
      StartOrders(options_.folders, "baseline-orders.log", payment->address,
                  *helpers, {"--no-firebreak"});
  if (!orders.ok()) return orders.status();

  Load load(orders->address);
  const absl::Time start = absl::Now();
  if (absl::Status s = Pause(options_.phase / 3); !s.ok()) return s;
  const auto healthy = Settled(load, start, absl::Now());
  if (!healthy.ok()) return healthy.status();
  report_->Table(*healthy, "none");

  report_->Phase("without firebreak: payment freezes (SIGSTOP)");
  const absl::Time frozen = absl::Now();
  if (absl::Status s = payment->process.Freeze(); !s.ok()) return s;
  if (absl::Status s = Pause(options_.phase); !s.ok()) return s;
  load.Stop();
  const Load::Summary summary = load.Between(frozen, absl::InfiniteFuture());
  report_->Table(summary, "none");
  facts_.frozen_baseline_p99 = summary.p99;
  // Terminate() would wait for calls to the frozen payment service.
  orders->process.Kill();
  return absl::OkStatus();
}

absl::Status Story::Start() {
  absl::StatusOr<Server> payment =
      StartPayment(options_.folders, "payment-1.log", kAnyPort, "ledger");
  if (!payment.ok()) return payment.status();
  payment_ = *std::move(payment);
  absl::StatusOr<Helpers> helpers = StartHelpers(options_.folders, "");
  if (!helpers.ok()) return helpers.status();
  helpers_ = *std::move(helpers);
  absl::StatusOr<Server> orders = StartOrders(options_.folders, "orders.log",
                                              payment_.address, helpers_, {});
  if (!orders.ok()) return orders.status();
  orders_ = *std::move(orders);
  report_->Note(
      absl::StrCat("look on: firebreakctl serve --target ", orders_.address));
  admin_ = std::make_unique<AdminView>(orders_.address);
  load_ = std::make_unique<Load>(orders_.address);
  return absl::OkStatus();
}

absl::Status Story::PlayHealthy() {
  report_->Phase("healthy: the same with firebreak, from here on");
  const absl::Time start = absl::Now();
  if (absl::Status s = Pause(options_.phase); !s.ok()) return s;
  const absl::StatusOr<firebreak::v1::Method> method = admin_->Charge();
  if (!method.ok()) return method.status();
  const auto summary = Settled(*load_, start, absl::Now());
  if (!summary.ok()) return summary.status();
  report_->Table(*summary, StateOf(*method));
  return absl::OkStatus();
}

absl::Status Story::PlayFrozen() {
  report_->Phase(absl::StrCat("frozen: SIGSTOP to payment, process ",
                              payment_.process.pid(), "; calls hang"));
  frozen_at_ = absl::Now();
  if (absl::Status s = payment_.process.Freeze(); !s.ok()) return s;
  if (absl::Status s = WaitUntil("the breaker to open", kLimit,
                                 [this] {
                                   const auto method = admin_->Charge();
                                   return method.ok() &&
                                          StateOf(*method) == "open";
                                 });
      !s.ok()) {
    return s;
  }
  opened_at_ = absl::Now();
  watch_.emplace(admin_.get(), payment_.address);
  if (absl::Status s = watch_->Look(nullptr); !s.ok()) return s;
  // Calls that were admitted before the breaker opened end at their timeout.
  const auto summary = Settled(*load_, frozen_at_, opened_at_);
  if (!summary.ok()) return summary.status();
  report_->Table(*summary, StateOf(watch_->method()));
  return absl::OkStatus();
}

absl::Status Story::PlayOpen() {
  report_->Phase("open: payment is still frozen, orders are queued at once");
  if (absl::Status s = watch_->BeginFrozen(); !s.ok()) return s;
  // The rest of the open time is needed for the restart.
  const absl::Time until =
      opened_at_ + (watch_->probe_due() - opened_at_) * 0.4;
  do {
    if (absl::Status s = watch_->Look(nullptr); !s.ok()) return s;
    if (absl::Status s = Pause(kReadingPeriod); !s.ok()) return s;
  } while (absl::Now() < until);
  watch_->EndFrozen();
  const auto summary = Settled(*load_, opened_at_, absl::Now());
  if (!summary.ok()) return summary.status();
  report_->Table(*summary, StateOf(watch_->method()));
  report_->Note(absl::StrFormat(
      "the first probe is due in %.1f s",
      absl::ToDoubleSeconds(watch_->probe_due() - absl::Now())));
  return absl::OkStatus();
}

absl::Status Story::Restart() {
  report_->Phase("open: SIGKILL to payment, and restart on the same port");
  const absl::Time start = absl::Now();
  payment_.process.Kill();
  absl::StatusOr<Server> payment = StartPayment(
      options_.folders, "payment-2.log", payment_.address, "ledger");
  if (!payment.ok()) return payment.status();
  payment_ = *std::move(payment);
  restarted_at_ = absl::Now();
  restarted_payment_ = v1::PaymentService::NewStub(grpc::CreateChannel(
      payment_.address, grpc::InsecureChannelCredentials()));
  if (absl::Status s = watch_->Look(restarted_payment_.get()); !s.ok()) {
    return s;
  }
  report_->Note(absl::StrFormat("process %d listens after %.2f s",
                                payment_.process.pid(),
                                absl::ToDoubleSeconds(restarted_at_ - start)));
  // Waits until the open time ends. `state` is that of the last reading before.
  std::string state = StateOf(watch_->method());
  while (absl::Now() < watch_->probe_due() &&
         StateOf(watch_->method()) == "open") {
    state = StateOf(watch_->method());
    if (absl::Status s = Pause(kReadingPeriod); !s.ok()) return s;
    if (absl::Status s = watch_->Look(restarted_payment_.get()); !s.ok()) {
      return s;
    }
  }
  const auto summary = Settled(*load_, start, watch_->probe_due());
  if (!summary.ok()) return summary.status();
  report_->Table(*summary, state);
  report_->Note(watch_->ToString());
  return absl::OkStatus();
}

absl::Status Story::PlayRecovery() {
  report_->Phase("half-open: three probes decide");
  absl::Status error;
  const auto closed = [&] {
    const auto method = admin_->Charge();
    if (!method.ok()) error = method.status();
    return !error.ok() || StateOf(*method) == "closed";
  };
  if (absl::Status s = WaitUntil("the breaker to close", kLimit, closed);
      !s.ok()) {
    return s;
  }
  if (!error.ok()) return error;
  closed_at_ = absl::Now();
  facts_.recovery =
      std::max(absl::ZeroDuration(),
               closed_at_ - std::max(watch_->probe_due(), restarted_at_));
  report_->Note(absl::StrFormat(
      "closed %.0f ms after the first probe was due",
      absl::ToDoubleMilliseconds(closed_at_ - watch_->probe_due())));

  report_->Phase("closed: orders are paid again, queued ones are charged");
  if (absl::Status s = Pause(options_.phase); !s.ok()) return s;
  load_->Stop();
  const auto method = admin_->Charge();
  if (!method.ok()) return method.status();
  report_->Table(load_->Between(closed_at_, absl::InfiniteFuture()),
                 StateOf(*method));
  return absl::OkStatus();
}

absl::Status Story::PlayDrain() {
  report_->Phase("the end: is any order lost?");
  const auto stub = v1::OrderService::NewStub(
      grpc::CreateChannel(orders_.address, grpc::InsecureChannelCredentials()));
  absl::StatusOr<v1::GetOrderStatsReply> orders;
  if (absl::Status s =
          WaitUntil("queued orders to be charged or undone", kDrainLimit,
                    [&] {
                      orders = OrderStats(stub.get());
                      return !orders.ok() ||
                             (orders->queued() == 0 && orders->undoing() == 0);
                    });
      !s.ok()) {
    return s;
  }
  if (!orders.ok()) return orders.status();
  const auto payment = PaymentStats(restarted_payment_.get());
  if (!payment.ok()) return payment.status();

  const Load::Summary all =
      load_->Between(absl::InfinitePast(), absl::InfiniteFuture());
  facts_.calls = all.calls;
  facts_.answered = all.answered;
  // This uses the payment service's own ledger, which has each order once. The
  // order server's own counts would prove nothing.
  const int64_t missing =
      all.answered - payment->charges() - orders->queued() - orders->undone();
  facts_.lost = all.calls - all.answered + std::max<int64_t>(0, missing);
  report_->Note(absl::StrCat("customers: ", all.calls, " orders, ",
                             all.answered, " answered, ", all.queued,
                             " of them as queued"));
  if (all.failed > 0) {
    report_->Note(absl::StrCat("first failure: ", load_->first_error()));
  }
  report_->Note(absl::StrCat("orders: ", orders->accepted(), " accepted, ",
                             orders->paid(), " paid, ", orders->queued(),
                             " still queued"));
  facts_.compensated = orders->undone();
  facts_.double_charged = ChargedTwice(options_.folders.logs + "/ledger");
  report_->Note(absl::StrCat("payment: ", payment->charges(),
                             " orders charged, ", facts_.double_charged,
                             " of them twice; ", facts_.compensated,
                             " declined and undone"));
  // The last orders that were paid may not be confirmed yet.
  absl::StatusOr<v1::GetStockReply> stock;
  WaitUntil("the stock to be confirmed or released", kDrainLimit, [&] {
    stock = StockOf(helpers_.inventory);
    return !stock.ok() || stock->reserved() == 0;
  }).IgnoreError();
  if (!stock.ok()) return stock.status();
  facts_.stock_leaked =
      stock->reserved() + std::abs(stock->confirmed() - orders->paid());
  report_->Note(absl::StrCat("inventory: ", stock->confirmed(), " sold, ",
                             stock->released(), " released, ",
                             stock->reserved(), " still reserved"));
  return absl::OkStatus();
}

absl::Status Story::Conclude() {
  const absl::StatusOr<std::vector<firebreak::v1::Event>> events =
      admin_->Events();
  if (!events.ok()) return events.status();
  const auto method = admin_->Charge();
  if (!method.ok()) return method.status();

  report_->Phase("what the admin service says: events and counters");
  report_->Events(*events);
  report_->Counters(*method);

  // If the breaker opened several times, these are the times of the first.
  absl::Time open = absl::InfiniteFuture();
  absl::Time half_open = absl::InfiniteFuture();
  for (const firebreak::v1::Event& event : *events) {
    if (event.kind() == firebreak::v1::EVENT_KIND_WARNING) continue;
    if (facts_.states.empty()) facts_.states = StateName(event.from());
    absl::StrAppend(&facts_.states, ",", StateName(event.to()));
    if (event.to() == firebreak::v1::BREAKER_STATE_OPEN) {
      open = std::min(open, TimeOf(event));
    }
    if (event.to() == firebreak::v1::BREAKER_STATE_HALF_OPEN) {
      half_open = std::min(half_open, TimeOf(event));
    }
  }
  // All calls that started in that time, whenever they ended, except those of
  // the last few milliseconds, which may have been the probes.
  constexpr absl::Duration kEdge = absl::Milliseconds(10);
  const auto open_calls = [&](const StallWatch* stalls) {
    return load_->Between(open + absl::Milliseconds(1), half_open - kEdge,
                          stalls);
  };
  const Load::Summary all = open_calls(nullptr);
  const Load::Summary undisturbed = open_calls(&stalls_);
  if (undisturbed.calls < all.calls) {
    report_->Note(absl::StrFormat(
        "this machine stood still: %d of the %d calls that the open breaker "
        "answered are left out of open_p99_ms (%.2f with them)",
        all.calls - undisturbed.calls, all.calls,
        absl::ToDoubleMilliseconds(all.p99)));
  }
  facts_.open_p99 = undisturbed.calls > 0 ? undisturbed.p99 : all.p99;
  facts_.reached_while_open = watch_->reached();
  if (!orders_.process.Terminate()) {
    report_->Note("the order server did not end with exit code 0");
  }
  return absl::OkStatus();
}

}  // namespace shop
