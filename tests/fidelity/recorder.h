// An interceptor that records all its calls, to show what the interceptors
// beside firebreak's see.
//
//   Recorder recorder;
//   options.interceptors.push_back(recorder.NewFactory("before"));
//   ... calls ...
//   recorder.Take();   // "before: send-metadata send-message(typed)", ...
//
// There is one line for each Intercept(), in order, and one for each
// interceptor that is created. Messages are typed, bytes (only serialized) or
// null.
//
// Thread safety: safe from any thread. Ownership: it outlives its channels'
// calls.
#ifndef FIREBREAK_TESTS_FIDELITY_RECORDER_H_
#define FIREBREAK_TESTS_FIDELITY_RECORDER_H_

#include <grpcpp/support/client_interceptor.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firebreak::testing {

class Recorder {
 public:
  using Factory = grpc::experimental::ClientInterceptorFactoryInterface;
  using Methods = grpc::experimental::InterceptorBatchMethods;
  using Info = grpc::experimental::ClientRpcInfo;

  // `more(info, methods)` may add to a line.
  using More = std::function<std::string(Info*, Methods*)>;
  std::unique_ptr<Factory> NewFactory(std::string name, More more = nullptr) {
    return std::make_unique<RecordingFactory>(this, std::move(name),
                                              std::move(more));
  }

  // Returns the lines so far, and starts again with none.
  std::vector<std::string> TakeLines() {
    std::lock_guard<std::mutex> lock(mu_);
    return std::exchange(lines_, {});
  }
  std::string Take() { return absl::StrJoin(TakeLines(), "\n"); }

 private:
  class RecordingInterceptor final : public grpc::experimental::Interceptor {
   public:
    RecordingInterceptor(Recorder* recorder, std::string name, More more,
                         Info* info)
        : recorder_(recorder),
          name_(std::move(name)),
          more_(std::move(more)),
          info_(info) {}
    void Intercept(Methods* methods) override {
      std::string line = absl::StrCat(name_, ":", Hooks(methods));
      if (more_) absl::StrAppend(&line, more_(info_, methods));
      recorder_->Add(std::move(line));
      methods->Proceed();
    }

   private:
    Recorder* const recorder_;
    const std::string name_;
    const More more_;
    Info* const info_;
  };
  class RecordingFactory final : public Factory {
   public:
    RecordingFactory(Recorder* recorder, std::string name, More more)
        : recorder_(recorder), name_(std::move(name)), more_(std::move(more)) {}
    grpc::experimental::Interceptor* CreateClientInterceptor(
        Info* info) override {
      recorder_->Add(absl::StrCat(name_, " is made for ", info->method()));
      return new RecordingInterceptor(recorder_, name_, more_, info);
    }

   private:
    Recorder* const recorder_;
    const std::string name_;
    const More more_;
  };

  static std::string Hooks(Methods* methods) {
    using Hook = grpc::experimental::InterceptionHookPoints;
    std::string hooks;
    const auto add = [&](Hook hook, const char* name) {
      const bool has = methods->QueryInterceptionHookPoint(hook);
      if (has) absl::StrAppend(&hooks, " ", name);
      return has;
    };
    add(Hook::PRE_SEND_INITIAL_METADATA, "send-metadata");
    if (add(Hook::PRE_SEND_MESSAGE, "send-message")) {
      hooks += methods->GetSendMessage() != nullptr ? "(typed)" : "(bytes)";
    }
    add(Hook::PRE_SEND_CLOSE, "send-close");
    add(Hook::PRE_SEND_CANCEL, "cancel");
    add(Hook::PRE_RECV_INITIAL_METADATA, "ask-metadata");
    add(Hook::PRE_RECV_MESSAGE, "ask-message");
    add(Hook::PRE_RECV_STATUS, "ask-status");
    add(Hook::POST_SEND_MESSAGE, "message-sent");
    if (add(Hook::POST_RECV_INITIAL_METADATA, "metadata")) {
      absl::StrAppend(&hooks, "(", methods->GetRecvInitialMetadata()->size(),
                      ")");
    }
    if (add(Hook::POST_RECV_MESSAGE, "message")) {
      hooks += methods->GetRecvMessage() != nullptr ? "(typed)" : "(null)";
    }
    if (add(Hook::POST_RECV_STATUS, "status")) {
      absl::StrAppend(&hooks, "(", methods->GetRecvStatus()->error_code(), ")");
    }
    return hooks;
  }

  void Add(std::string line) {
    std::lock_guard<std::mutex> lock(mu_);
    lines_.push_back(std::move(line));
  }

  std::mutex mu_;
  std::vector<std::string> lines_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FIDELITY_RECORDER_H_
