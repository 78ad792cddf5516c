// Makes the same call three times, natively by gRPC, guarded, and driven, and
// compares everything that can be seen of it.
//
//   World world;                                   // one server for the three
//   const Shown native = ExpectAlike([&](Mode mode) {
//     UnaryCall call("hello");
//     Caller(GetParam(), world.NewChannel(mode)).Run(&call);
//     return ShowCall(call);
//   }, {{"peer", world.server.address()}});     // the difference when driven
//   EXPECT_EQ(native.at("code"), "0");          // makes sure that it succeeded
//
// Here a driven call is retried only after DATA_LOSS, so any other answer is
// that of its first attempt. If that attempt is the caller's own call (see
// GoesOutNatively()), there are almost no differences. TakenOver() names the
// differences that only the other styles have.
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_FIDELITY_MODES_H_
#define FIREBREAK_TESTS_FIDELITY_MODES_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "tests/support/echo_server.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/grpc_texts.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

enum class Mode { kNative, kGuarded, kDriven };
inline constexpr Mode kModes[] = {Mode::kNative, Mode::kGuarded, Mode::kDriven};
inline std::string ModeName(const ::testing::TestParamInfo<Mode>& info) {
  constexpr const char* kNames[] = {"Native", "Guarded", "Driven"};
  return kNames[static_cast<int>(info.param)];
}

// What was seen, by name, so that the names of differences can be printed.
using Shown = std::map<std::string, std::string>;

// Returns `shown` with the values of `changed`.
inline Shown With(Shown shown, const Shown& changed) {
  for (const auto& entry : changed) shown[entry.first] = entry.second;
  return shown;
}

// Returns what `show(mode)` sees natively. The other modes must see the same
// except for the named differences. A named difference that no longer exists is
// a failure too: remove it from the test and from docs/fidelity.md.
template <class Show>
Shown ExpectAlike(const Show& show, const Shown& driven = {},
                  const Shown& guarded = {}) {
  Shown native = show(Mode::kNative);
  EXPECT_EQ(show(Mode::kGuarded), With(native, guarded)) << "guarded";
  EXPECT_EQ(show(Mode::kDriven), With(native, driven)) << "driven";
  return native;
}

class World {
 public:
  World() : World(nullptr, grpc::InsecureChannelCredentials()) {}
  World(std::shared_ptr<grpc::ServerCredentials> server_credentials,
        std::shared_ptr<grpc::ChannelCredentials> credentials)
      : server("127.0.0.1:0", server_credentials != nullptr
                                  ? std::move(server_credentials)
                                  : grpc::InsecureServerCredentials()),
        credentials_(std::move(credentials)) {}

  // Returns a channel to `target` or, if that is empty, to `server`.
  std::shared_ptr<grpc::Channel> NewChannel(Mode mode,
                                            ChannelOptions options = {},
                                            const std::string& target = "") {
    const std::string to = target.empty() ? server.address() : target;
    switch (mode) {
      case Mode::kNative:
        break;
      case Mode::kGuarded:
        return guarded_->CreateChannel("test", to, credentials_,
                                       std::move(options));
      case Mode::kDriven:
        return driven_->CreateChannel("test", to, credentials_,
                                      std::move(options));
    }
    return grpc::experimental::CreateCustomChannelWithInterceptors(
        to, credentials_, options.args, std::move(options.interceptors));
  }
  // For tests that create the channel themselves. Null for Mode::kNative.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  NewFactory(Mode mode) {
    if (mode == Mode::kNative) return nullptr;
    return (mode == Mode::kGuarded ? guarded_ : driven_)
        ->InterceptorFactory("test");
  }

  EchoServer server;

 private:
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::shared_ptr<Engine> guarded_ =
      MakeEngine("breaker { consecutive_failures: 1000 }");
  const std::shared_ptr<Engine> driven_ = MakeEngine(
      "breaker { consecutive_failures: 1000 }"
      "retry { max_attempts: 2 codes: [DATA_LOSS] }");
};

template <class Metadata>
std::string ShowMetadata(const Metadata& metadata) {
  std::string all;
  for (const auto& entry : metadata) {
    const std::string value(entry.second.data(), entry.second.size());
    absl::StrAppend(&all,
                    absl::string_view(entry.first.data(), entry.first.size()),
                    "=", absl::CHexEscape(value), ";");
  }
  return all;
}

inline std::string ShowAuth(const grpc::ClientContext& context) {
  const auto auth = context.auth_context();
  if (auth == nullptr) return "none";
  std::string all;
  for (const auto& property : *auth) {
    // Long values, such as a certificate, are cut.
    absl::StrAppend(
        &all, absl::string_view(property.first.data(), property.first.length()),
        "=",
        property.second.size() < 40
            ? absl::string_view(property.second.data(), property.second.size())
            : "...",
        ";");
  }
  return all;
}

// Returns everything that a context and a status show after the call.
inline Shown ShowEnd(const grpc::ClientContext& context,
                     const grpc::Status& status) {
  const std::string debug = context.debug_error_string();
  return {
      {"code", absl::StrCat(status.error_code())},
      {"message", status.error_message()},
      {"details", absl::CHexEscape(status.error_details())},
      {"initial", ShowMetadata(context.GetServerInitialMetadata())},
      {"trailing", ShowMetadata(context.GetServerTrailingMetadata())},
      {"peer", context.peer()},
      {"auth", ShowAuth(context)},
      // Only the part before the time of day.
      {"debug", debug.substr(0, debug.find('{'))},
      {"compression", absl::StrCat(context.compression_algorithm())},
  };
}

inline Shown ShowCall(const UnaryCall& call) {
  return With(ShowEnd(call.context, call.status),
              {{"reply", call.reply.text()}});
}

// Returns the differences of a driven call of `style` that its first attempt
// answers: none if that attempt is the caller's own call.
inline Shown TakenOver(StubStyle style, const Shown& differences) {
  return GoesOutNatively(style) ? Shown() : differences;
}

// A test that runs with each stub style.
class FidelityTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  void Run(const std::shared_ptr<grpc::Channel>& channel, UnaryCall* call) {
    Caller(GetParam(), channel).Run(call);
  }

  World world_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FIDELITY_MODES_H_
