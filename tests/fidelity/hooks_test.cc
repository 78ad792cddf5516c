// What the other interceptors of a channel see, before firebreak's and after.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "absl/strings/str_replace.h"
#include "tests/fidelity/modes.h"
#include "tests/fidelity/recorder.h"

namespace firebreak::testing {
namespace {

using ::testing::_;
using ::testing::Contains;
using ::testing::Pair;
using ::testing::StartsWith;

class HooksTest : public FidelityTest {
 protected:
  // Returns a channel with the interceptors `before`, firebreak's and `after`.
  std::shared_ptr<grpc::Channel> NewChannel(
      Mode mode, std::vector<std::unique_ptr<Recorder::Factory>> before,
      std::unique_ptr<Recorder::Factory> after = nullptr) {
    if (mode != Mode::kNative) before.push_back(world_.NewFactory(mode));
    if (after != nullptr) before.push_back(std::move(after));
    return grpc::experimental::CreateCustomChannelWithInterceptors(
        world_.server.address(), grpc::InsecureChannelCredentials(), {},
        std::move(before));
  }
  // Returns whether a line belongs to the end of a call, not to its beginning.
  static bool Late(const std::string& line) {
    return line.find("made") == std::string::npos &&
           line.find("send-metadata") == std::string::npos;
  }
  // Returns the lines of one call, by their numbers.
  Shown Lines() {
    Shown shown;
    std::vector<std::string> lines = recorder_.TakeLines();
    // Which of two batches ends first is not defined, even natively.
    if (GetParam() == StubStyle::kCompletionQueueSplit) {
      std::sort(lines.begin(), lines.end(),
                [](const std::string& a, const std::string& b) {
                  return Late(a) != Late(b) ? Late(b) : a < b;
                });
    }
    for (const std::string& line : lines) {
      shown[absl::StrCat(shown.size() + 10)] = line;
    }
    return shown;
  }
  static std::vector<std::unique_ptr<Recorder::Factory>> One(
      std::unique_ptr<Recorder::Factory> factory) {
    std::vector<std::unique_ptr<Recorder::Factory>> factories;
    factories.push_back(std::move(factory));
    return factories;
  }
  bool queue() const {
    return GetParam() == StubStyle::kCompletionQueue ||
           GetParam() == StubStyle::kCompletionQueueSplit;
  }

  Recorder recorder_;
};
INSTANTIATE_TEST_SUITE_P(Styles, HooksTest, AllStyles(), StyleName);

TEST_P(HooksTest, BeforeOurs) {
  for (const Step& step :
       {Step::Ok(), Step::Fail(grpc::StatusCode::NOT_FOUND)}) {
    // In a driven call the message has been serialized, so gRPC no longer has
    // it and does not report that it was sent. With a completion queue it never
    // does.
    const Shown not_told = {{"message-sent", "0"}};
    const Shown native = ExpectAlike(
        [&](Mode mode) {
          auto before = One(recorder_.NewFactory("first"));
          before.push_back(recorder_.NewFactory("second"));
          world_.server.Script({step});
          UnaryCall call;
          Run(NewChannel(mode, std::move(before)), &call);
          Shown lines = Lines();
          int sent = 0;
          for (auto& line : lines) {
            sent += absl::StrReplaceAll({{" message-sent", ""}}, &line.second);
          }
          return With(std::move(lines), {{"message-sent", absl::StrCat(sent)}});
        },
        queue() ? Shown() : not_told);
    EXPECT_EQ(native.at("message-sent"), queue() ? "0" : "2");
    EXPECT_EQ(native.at("10"),
              "first is made for /firebreak.testing.Echo/Unary");
    for (const char* name : {"first", "second"}) {
      EXPECT_THAT(native, Contains(Pair(
                              _, StartsWith(absl::StrCat(
                                     name, ": send-metadata send-message")))));
    }
  }
}

TEST_P(HooksTest, BeforeOursOneCallHoweverManyAttempts) {
  const auto show = [&](Mode mode, std::vector<Step> steps) {
    world_.server.Script(std::move(steps));
    UnaryCall call;
    Run(NewChannel(mode, One(recorder_.NewFactory("before"))), &call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    return Lines();
  };
  const Step lost = Step::Fail(grpc::StatusCode::DATA_LOSS);
  Shown once = show(Mode::kDriven, {Step::Ok()});
  if (GoesOutNatively(GetParam())) {
    // gRPC reports that there is no message before firebreak replaces the whole
    // answer, including the message.
    for (auto& line : once) {
      absl::StrReplaceAll({{"message(typed) status", "message(null) status"}},
                          &line.second);
    }
  }
  EXPECT_EQ(show(Mode::kDriven, {lost, Step::Ok()}), once);
  EXPECT_EQ(world_.server.calls(), 3);
}

TEST_P(HooksTest, BeforeOursACancelIsTold) {
  const Shown native = ExpectAlike([&](Mode mode) {
    UnaryCall call;
    call.context.TryCancel();
    Run(NewChannel(mode, One(recorder_.NewFactory("before"))), &call);
    int told = 0;
    for (const auto& line : Lines()) {
      told += line.second == "before: cancel" ? 1 : 0;
    }
    return Shown{{"told", absl::StrCat(told)}};
  });
  EXPECT_EQ(native.at("told"), "1");
}

TEST_P(HooksTest, AfterOursEachAttempt) {
  // If the call is taken over, one interceptor is created for the call and
  // never called, and another for the attempt, which looks like a call of a
  // generic stub with a completion queue. If the attempt is the caller's own
  // call, it only differs from a native one by its serialized request.
  for (const Step& step :
       {Step::Ok(), Step::Fail(grpc::StatusCode::NOT_FOUND)}) {
    const auto show = [&](Mode mode) {
      world_.server.Script({step});
      UnaryCall call;
      Run(NewChannel(mode, {}, recorder_.NewFactory("after")), &call);
      return Lines();
    };
    Shown native = show(Mode::kNative);
    EXPECT_EQ(show(Mode::kGuarded), native);
    if (GoesOutNatively(GetParam())) {
      for (auto& line : native) {
        absl::StrReplaceAll({{"(typed) send-close", "(bytes) send-close"},
                             {" message-sent", ""}},
                            &line.second);
      }
      EXPECT_EQ(show(Mode::kDriven), native);
      continue;
    }
    const std::string made = "after is made for /firebreak.testing.Echo/Unary";
    EXPECT_EQ(
        show(Mode::kDriven),
        (Shown{{"10", made},
               {"11", made},
               {"12", "after: send-metadata send-message(bytes) send-close"},
               {"13", step.status.ok()
                          ? "after: metadata(0) message(typed) status(0)"
                          : "after: metadata(0) message(null) status(5)"}}));
  }
}

TEST_P(HooksTest, AfterOursRepliesAreTyped) {
  std::mutex mu;
  std::vector<std::string> texts;
  UnaryCall call("hello");
  const auto look = [&](Recorder::Info*, Recorder::Methods* methods) {
    void* const reply = methods->GetRecvMessage();
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::POST_RECV_MESSAGE)) {
      std::lock_guard<std::mutex> lock(mu);
      // The type is not known before a call with a completion queue asks for
      // its reply.
      if (GetParam() == StubStyle::kCompletionQueueSplit) {
        texts.emplace_back(static_cast<grpc::ByteBuffer*>(reply)->Length() ==
                                   call.reply.ByteSizeLong()
                               ? "bytes"
                               : "other bytes");
      } else {
        texts.push_back(static_cast<EchoReply*>(reply)->text());
        // An interceptor may change the reply of the server.
        static_cast<EchoReply*>(reply)->set_text("changed");
      }
    }
    return std::string();
  };
  Run(NewChannel(Mode::kDriven, {}, recorder_.NewFactory("after", look)),
      &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  if (GetParam() == StubStyle::kCompletionQueueSplit) {
    EXPECT_EQ(call.reply.text(), "hello");
    return;
  }
  EXPECT_EQ(texts, std::vector<std::string>{"hello"});
  EXPECT_EQ(call.reply.text(), "changed");
}

TEST_P(HooksTest, AfterOursTheAttemptsContextIsAsTheCallers) {
  int census = 0;
  auto* const tracing = reinterpret_cast<struct census_context*>(&census);
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::minutes(10);
  const Shown native = ExpectAlike([&](Mode mode) {
    std::mutex mu;
    Shown shown;
    const auto look = [&](Recorder::Info* info, Recorder::Methods* methods) {
      using Hook = grpc::experimental::InterceptionHookPoints;
      if (methods->QueryInterceptionHookPoint(
              Hook::PRE_SEND_INITIAL_METADATA)) {
        grpc::ClientContext* const context = info->client_context();
        std::lock_guard<std::mutex> lock(mu);
        shown = {
            {"census",
             context->census_context() == tracing ? "carried" : "lost"},
            {"deadline", context->deadline() == deadline ? "carried" : "lost"},
            {"compression", absl::StrCat(context->compression_algorithm())},
            {"metadata", ShowMetadata(*methods->GetSendInitialMetadata())},
            {"method", info->method()}};
      }
      return std::string();
    };
    UnaryCall call;
    call.context.set_census_context(tracing);
    call.context.set_deadline(deadline);
    call.context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    call.context.AddMetadata("x-a", "1");
    Run(NewChannel(mode, {}, recorder_.NewFactory("after", look)), &call);
    EXPECT_TRUE(call.status.ok());
    return shown;
  });
  EXPECT_EQ(native.at("census"), "carried");
  EXPECT_EQ(native.at("deadline"), "carried");
  EXPECT_EQ(native.at("metadata"),
            "grpc-internal-encoding-request=gzip;x-a=1;");
}

TEST_P(HooksTest, TheGlobalInterceptorComesAfterOurs) {
  const auto factory = recorder_.NewFactory("global");
  grpc::experimental::RegisterGlobalClientInterceptorFactory(factory.get());
  const auto show = [&](Mode mode) {
    UnaryCall call;
    Run(NewChannel(mode, One(recorder_.NewFactory("before"))), &call);
    int made = 0;
    int asked = 0;
    for (const std::string& line : recorder_.TakeLines()) {
      made += line.find("global is made") == 0 ? 1 : 0;
      asked += line.find("global: send-metadata") == 0 ? 1 : 0;
    }
    return Shown{{"made", absl::StrCat(made)}, {"asked", absl::StrCat(asked)}};
  };
  const Shown native =
      ExpectAlike(show, TakenOver(GetParam(), {{"made", "2"}}));
  grpc::experimental::TestOnlyResetGlobalClientInterceptorFactory();
  EXPECT_EQ(native.at("made"), "1");
  EXPECT_EQ(native.at("asked"), "1");
}

}  // namespace
}  // namespace firebreak::testing
