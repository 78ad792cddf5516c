#include "examples/shop/admin_view.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace shop {
namespace {

constexpr absl::Duration kCallLimit = absl::Seconds(5);

constexpr char kChannel[] = "payment";
constexpr char kCharge[] = "/shop.v1.PaymentService/Charge";

absl::Status ToAbsl(const grpc::Status& status) {
  return absl::Status(
      static_cast<absl::StatusCode>(status.error_code()),
      absl::StrCat("the admin service: ", status.error_message()));
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

}  // namespace

AdminView::AdminView(const std::string& target)
    : admin_(firebreak::v1::Admin::NewStub(
          grpc::CreateChannel(target, grpc::InsecureChannelCredentials()))) {}

absl::StatusOr<firebreak::v1::Method> AdminView::Charge() const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallLimit));
  firebreak::v1::GetMethodRequest request;
  request.mutable_selector()->set_channel(kChannel);
  request.mutable_selector()->set_method(kCharge);
  firebreak::v1::GetMethodResponse response;
  const grpc::Status status = admin_->GetMethod(&context, request, &response);
  if (!status.ok()) return ToAbsl(status);
  return response.method();
}

absl::StatusOr<std::vector<firebreak::v1::Event>> AdminView::Events() const {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallLimit));
  firebreak::v1::WatchEventsRequest request;
  // Selects the events of all its methods, since they share one breaker.
  request.mutable_selector()->set_channel(kChannel);
  request.set_stop_at_newest(true);
  const auto stream = admin_->WatchEvents(&context, request);
  std::vector<firebreak::v1::Event> events;
  for (firebreak::v1::WatchEventsResponse page; stream->Read(&page);) {
    events.insert(events.end(), page.events().begin(), page.events().end());
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return ToAbsl(status);
  return events;
}

std::string StateName(firebreak::v1::BreakerState state) {
  const std::string name = firebreak::v1::BreakerState_Name(state);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "BREAKER_STATE_"));
}

std::string StateOf(const firebreak::v1::Method& method) {
  if (method.breakers().empty()) return "unknown";
  return StateName(method.breakers(0).state());
}

int64_t AttemptsOf(const firebreak::v1::Method& method) {
  const firebreak::v1::AttemptCounts& attempts = method.attempts();
  return attempts.first() + attempts.retries() + attempts.hedges();
}

absl::Time ProbeDueOf(const firebreak::v1::Method& method) {
  if (method.breakers().empty() || !method.breakers(0).has_probe_due()) {
    return absl::InfinitePast();
  }
  return ToTime(method.breakers(0).probe_due());
}

absl::Time TimeOf(const firebreak::v1::Event& event) {
  return ToTime(event.time());
}

}  // namespace shop
