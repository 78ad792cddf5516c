#include "examples/shop/customers.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shop {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr int kPresses = 3;  // including the first
constexpr double kPageRate = 20;
constexpr absl::Duration kTick = absl::Milliseconds(2);

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target) {
  return grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
}

}  // namespace

// One request of a customer. It exists until it is answered.
struct Customers::Press {
  Visit* visit;
  grpc::ClientContext context;
  v1::CreateOrderRequest order;
  v1::CreateOrderReply order_reply;
  v1::GetProfileRequest profile;
  v1::GetProfileReply profile_reply;
  v1::SearchRequest search;
  v1::SearchReply search_reply;
};

Customers::Customers(const std::string& gateway)
    : orders_(ChannelTo(gateway)),
      users_(ChannelTo(gateway)),
      inventory_(ChannelTo(gateway)),
      thread_([this] { Come(); }) {}

Customers::~Customers() {
  Stop();
  while (in_flight_ > 0) absl::SleepFor(absl::Milliseconds(10));
}

void Customers::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Customers::Come() {
  // The number of requests of each kind that are due.
  std::array<double, 3> due{};
  absl::Time last = absl::Now();
  while (!stopping_) {
    absl::SleepFor(kTick);
    const absl::Time now = absl::Now();
    const double seconds = absl::ToDoubleSeconds(now - last);
    last = now;
    const std::array<double, 3> rates = {order_rate_, kPageRate, kPageRate};
    for (size_t kind = 0; kind < due.size(); ++kind) {
      due[kind] += rates[kind] * seconds;
      for (; due[kind] >= 1; --due[kind]) Add(static_cast<Kind>(kind));
    }
  }
}

void Customers::Add(Kind kind) {
  Visit* visit;
  {
    std::lock_guard<std::mutex> lock(mu_);
    visit = &visits_.emplace_back();
    visit->kind = kind;
    visit->came = absl::Now();
    visit->order_id = absl::StrCat("order-", visits_.size());
  }
  Send(visit);
}

void Customers::Send(Visit* visit) {
  auto press = std::make_unique<Press>();
  press->visit = visit;
  Kind kind;
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++visit->presses;
    kind = visit->kind;
    press->order.set_request_id(visit->order_id);
  }
  const std::string user = absl::StrCat(
      "user-", std::hash<std::string>()(press->order.request_id()) % 100);
  press->context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  ++in_flight_;
  Press* const p = press.release();
  const auto answered = [this, p](const grpc::Status& status) {
    OnAnswer(std::unique_ptr<Press>(p), status);
  };
  switch (kind) {
    case Kind::kOrder:
      p->order.set_user(user);
      p->order.set_cents(499);
      orders_.async()->CreateOrder(&p->context, &p->order, &p->order_reply,
                                   answered);
      return;
    case Kind::kProfile:
      p->profile.set_user(user);
      users_.async()->GetProfile(&p->context, &p->profile, &p->profile_reply,
                                 answered);
      return;
    case Kind::kSearch:
      p->search.set_text("shoes");
      inventory_.async()->Search(&p->context, &p->search, &p->search_reply,
                                 answered);
      return;
  }
}

void Customers::OnAnswer(std::unique_ptr<Press> press,
                         const grpc::Status& status) {
  Visit* const visit = press->visit;
  bool again = false;
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (status.ok()) {
      visit->over = true;
      visit->took = absl::Now() - visit->came;
      visit->state = press->order_reply.state();
    } else if (visit->presses < kPresses && !stopping_) {
      again = true;
    } else {
      visit->over = true;
    }
  }
  if (again) Send(visit);
  --in_flight_;
}

std::vector<Customers::Visit> Customers::Between(absl::Time from,
                                                 absl::Time to) const {
  std::lock_guard<std::mutex> lock(mu_);
  std::vector<Visit> visits;
  for (auto it = visits_.rbegin(); it != visits_.rend(); ++it) {
    if (it->came < from) break;  // the others came even earlier
    if (it->came < to) visits.push_back(*it);
  }
  return visits;
}

absl::Duration TimeAt(double q, const std::vector<Customers::Visit>& visits,
                      Customers::Kind kind) {
  std::vector<absl::Duration> times;
  for (const Customers::Visit& visit : visits) {
    if (visit.kind == kind) times.push_back(visit.took);
  }
  if (times.empty()) return absl::ZeroDuration();
  std::sort(times.begin(), times.end());
  const auto rank = std::ceil(q * static_cast<double>(times.size()));
  return times[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace shop
