#include "examples/shop/worst_day.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/shop/wait.h"

namespace shop {
namespace {

using Kind = Customers::Kind;
using Visit = Customers::Visit;

constexpr char kAnyPort[] = "127.0.0.1:0";
// The shop has recovered when in kInARow seconds in a row at least kNormal of
// the orders are answered, and at least kPaidAgain are paid.
constexpr double kNormal = 0.95;
constexpr double kPaidAgain = 0.9;
constexpr int kInARow = 3;
// At most this many orders are between reservation and charge while no order is
// queued.
constexpr int kBeingCharged = 20;

// Workers sleep instead of working, so the capacity is 250 charges a second,
// two thirds more than customers ask for at the peak. The queue is practically
// unlimited, as in most servers.
const std::vector<std::string>& PaymentFlags() {
  static const auto* const flags =
      new std::vector<std::string>{"--workers", "5", "--latency-ms", "20"};
  return *flags;
}

std::shared_ptr<grpc::Channel> ChannelTo(const Server& server) {
  return grpc::CreateChannel(server.address,
                             grpc::InsecureChannelCredentials());
}

double Share(int part, int all) {
  return all == 0 ? 1 : static_cast<double>(part) / all;
}

absl::Duration SlowestPages(const std::vector<Visit>& visits) {
  return std::max(TimeAt(0.99, visits, Kind::kProfile),
                  TimeAt(0.99, visits, Kind::kSearch));
}

}  // namespace

struct WorstDay::Loads {
  std::unique_ptr<v1::LoadService::Stub> gateway;
  std::unique_ptr<v1::LoadService::Stub> order;
  std::unique_ptr<v1::LoadService::Stub> payment;
};

WorstDay::WorstDay(Options options, std::function<void(const Second&)> tell)
    : options_(std::move(options)), tell_(std::move(tell)) {}

absl::Status WorstDay::Start() {
  const std::string prefix = options_.firebreak ? "fb-" : "plain-";
  auto helpers = StartHelpers(options_.folders, prefix, {"--latency-ms", "2"});
  if (!helpers.ok()) return helpers.status();
  helpers_ = *std::move(helpers);
  std::vector<std::string> payment_flags = PaymentFlags();
  payment_flags.insert(
      payment_flags.end(),
      {"--ledger", absl::StrCat(options_.folders.logs, "/", prefix, "ledger")});
  auto payment = StartServer(options_.folders, "payment_server",
                             prefix + "payment-1.log", kAnyPort, payment_flags);
  if (!payment.ok()) return payment.status();
  payment_ = *std::move(payment);

  std::vector<std::string> order_flags = {"--workers", "1500", "--chargers",
                                          "16"};
  std::vector<std::string> gateway_flags = {"--workers", "1000"};
  // The usual settings are 30 s and 2^i s. Here everything takes a tenth of the
  // time.
  const std::vector<std::string> naive = {
      "--no-firebreak",  "--timeout-ms", "3000", "--retries", "5",
      "--first-wait-ms", "200"};
  const auto add = [&](const std::string& policy,
                       std::vector<std::string>* flags) {
    const std::vector<std::string> guarded = {"--policy", policy};
    const auto& more = options_.firebreak ? guarded : naive;
    flags->insert(flags->end(), more.begin(), more.end());
  };
  add(options_.order_policy, &order_flags);
  add(options_.gateway_policy, &gateway_flags);
  auto orders = StartOrders(options_.folders, prefix + "orders.log",
                            payment_.address, helpers_, order_flags);
  if (!orders.ok()) return orders.status();
  orders_ = *std::move(orders);
  for (const auto& [flag, server] :
       {std::pair<const char*, const Server*>{"--order", &orders_},
        {"--user", &helpers_.user},
        {"--inventory", &helpers_.inventory}}) {
    gateway_flags.emplace_back(flag);
    gateway_flags.push_back(server->address);
  }
  auto gateway = StartServer(options_.folders, "gateway_server",
                             prefix + "gateway.log", kAnyPort, gateway_flags);
  if (!gateway.ok()) return gateway.status();
  gateway_ = *std::move(gateway);

  loads_ = std::make_shared<Loads>();
  loads_->gateway = v1::LoadService::NewStub(ChannelTo(gateway_));
  loads_->order = v1::LoadService::NewStub(ChannelTo(orders_));
  loads_->payment = v1::LoadService::NewStub(ChannelTo(payment_));
  order_stats_ = v1::OrderService::NewStub(ChannelTo(orders_));
  customers_ = std::make_unique<Customers>(gateway_.address);
  customers_->SetOrderRate(kOrdersBefore);
  start_ = absl::Now();
  return absl::OkStatus();
}

absl::StatusOr<WorstDay::Facts> WorstDay::Play() {
  const auto sent = [this] {
    const auto stats = OrderStats(order_stats_.get());
    return stats.ok() ? stats->charges_sent() : 0;
  };
  const auto blocked = [](v1::LoadService::Stub* stub) {
    const auto load = LoadOf(stub);
    return load.ok() ? load->blocked_seconds() : 0;
  };
  if (absl::Status s = Start(); !s.ok()) return s;
  if (absl::Status s = Watch(kPeak); !s.ok()) return s;
  customers_->SetOrderRate(kOrdersPeak);
  if (absl::Status s = Watch(kDead); !s.ok()) return s;

  if (absl::Status s = payment_.process.Freeze(); !s.ok()) return s;
  const int64_t sent_before = sent();
  const double gateway_before = blocked(loads_->gateway.get());
  const double order_before = blocked(loads_->order.get());
  if (absl::Status s = Watch(kBack); !s.ok()) return s;
  facts_.reached_dead = sent() - sent_before;
  facts_.gateway_blocked_seconds =
      blocked(loads_->gateway.get()) - gateway_before;
  facts_.order_blocked_seconds = blocked(loads_->order.get()) - order_before;

  payment_.process.Kill();
  const std::string prefix = options_.firebreak ? "fb-" : "plain-";
  std::vector<std::string> flags = PaymentFlags();
  flags.insert(flags.end(), {"--ledger", absl::StrCat(options_.folders.logs,
                                                      "/", prefix, "ledger")});
  auto payment = StartServer(options_.folders, "payment_server",
                             prefix + "payment-2.log", payment_.address, flags);
  if (!payment.ok()) return payment.status();
  payment_ = *std::move(payment);
  if (absl::Status s = Watch(kEnd); !s.ok()) return s;
  if (absl::Status s = Conclude(); !s.ok()) return s;
  return facts_;
}

absl::Status WorstDay::Watch(int until) {
  while (static_cast<int>(facts_.seconds.size()) < until) {
    const int at = static_cast<int>(facts_.seconds.size());
    // The orders of a second are known one second after it has ended.
    if (absl::Status s = Pause(start_ + absl::Seconds(at + 1) - absl::Now());
        !s.ok()) {
      return s;
    }
    facts_.seconds.push_back(Look(at));
    const Second& second = facts_.seconds.back();
    if (second.waiting >= 0 && second.waiting <= kBeingCharged && at > kBack &&
        facts_.drained_s < 0) {
      facts_.drained_s = absl::ToDoubleSeconds(absl::Now() - start_) - kBack;
    }
    if (at > 0) {
      // Updates the previous second with what has been answered since.
      Second& last = facts_.seconds[static_cast<size_t>(at - 1)];
      const Second seen = Look(at - 1);
      last.answered = seen.answered;
      last.quickly = seen.quickly;
      last.paid = seen.paid;
      last.p99 = seen.p99;
      last.pages_p99 = seen.pages_p99;
      tell_(last);
    }
    if (at >= kBack + options_.settle && facts_.drained_s >= 0) break;
  }
  return absl::OkStatus();
}

WorstDay::Second WorstDay::Look(int at) {
  Second second;
  second.at = at;
  const std::vector<Visit> visits = customers_->Between(
      start_ + absl::Seconds(at), start_ + absl::Seconds(at + 1));
  for (const Visit& visit : visits) {
    if (visit.kind != Kind::kOrder) continue;
    ++second.came;
    second.answered += visit.took <= absl::Seconds(1);
    second.quickly += visit.took <= absl::Milliseconds(100);
    second.paid += visit.took <= absl::Seconds(1) &&
                   visit.state == v1::CreateOrderReply::PAID;
  }
  second.p99 = TimeAt(0.99, visits, Kind::kOrder);
  second.pages_p99 = SlowestPages(visits);
  if (at + 1 < static_cast<int>(facts_.seconds.size())) return second;
  if (const auto load = LoadOf(loads_->gateway.get()); load.ok()) {
    second.gateway_blocked = load->blocked();
    second.gateway_queue = load->queued();
  }
  if (const auto load = LoadOf(loads_->order.get()); load.ok()) {
    second.order_blocked = load->blocked();
    second.order_queue = load->queued();
  }
  second.payment_queue = -1;
  if (at < kDead || at >= kBack) {
    const auto load = LoadOf(loads_->payment.get());
    if (load.ok()) second.payment_queue = load->queued();
  }
  second.waiting = -1;
  if (const auto stats = OrderStats(order_stats_.get()); stats.ok()) {
    second.waiting = stats->queued();
  }
  return second;
}

absl::Status WorstDay::Conclude() {
  const absl::Time dead = start_ + absl::Seconds(kDead);
  const absl::Time back = start_ + absl::Seconds(kBack);
  const std::vector<Visit> outage = customers_->Between(dead, back);
  int came = 0;
  int answered = 0;
  int quickly = 0;
  for (const Visit& visit : outage) {
    if (visit.kind != Kind::kOrder) continue;
    ++came;
    answered += visit.took <= absl::Seconds(1);
    quickly += visit.took <= absl::Milliseconds(100);
  }
  facts_.answered_share = Share(answered, came);
  facts_.quickly_share = Share(quickly, came);
  facts_.p99 = TimeAt(0.99, outage, Kind::kOrder);
  facts_.pages_p99 = SlowestPages(outage);
  facts_.healthy_pages_p99 =
      SlowestPages(customers_->Between(start_ + absl::Seconds(1), dead));

  // The last second is not judged: its orders may still be answered in time.
  facts_.seconds.pop_back();
  const int judged = static_cast<int>(facts_.seconds.size());
  const auto is_normal = [&](int at) {
    const Second& second = facts_.seconds[static_cast<size_t>(at)];
    return Share(second.answered, second.came) >= kNormal &&
           Share(second.paid, second.came) >= kPaidAgain;
  };
  for (int at = kBack; at + kInARow <= judged && facts_.back_s < 0; ++at) {
    bool all = true;
    for (int i = 0; i < kInARow; ++i) all &= is_normal(at + i);
    if (!all) continue;
    facts_.back_s = at - kBack;
    for (int later = at; later < judged; ++later) {
      facts_.relapses += !is_normal(later);
    }
  }

  customers_->Stop();
  // Compares the orders that customers were promised, the orders that payment
  // has charged, and the orders that wait.
  const std::string prefix = options_.firebreak ? "fb-" : "plain-";
  const std::string path =
      absl::StrCat(options_.folders.logs, "/", prefix, "ledger");
  const auto stats = OrderStats(order_stats_.get());
  facts_.double_charged = ChargedTwice(path);
  std::set<std::string> charged;
  std::ifstream ledger(path);
  for (std::string line; std::getline(ledger, line);) charged.insert(line);
  int64_t uncharged = 0;
  for (const Visit& visit :
       customers_->Between(absl::InfinitePast(), absl::InfiniteFuture())) {
    if (visit.kind != Kind::kOrder) continue;
    ++facts_.orders;
    const bool is_promised = visit.state == v1::CreateOrderReply::PAID ||
                             visit.state == v1::CreateOrderReply::QUEUED;
    const bool is_charged = charged.count(visit.order_id) > 0;
    facts_.promised += is_promised;
    uncharged += is_promised && !is_charged;
    facts_.charged_unanswered += visit.over && !is_promised && is_charged;
  }
  const int64_t waiting = stats.ok() ? stats->queued() : 0;
  facts_.lost = std::max<int64_t>(0, uncharged - waiting);
  // The gateway is killed before the servers, since it would wait for them.
  gateway_.process.Kill();
  customers_.reset();
  return absl::OkStatus();
}

}  // namespace shop
