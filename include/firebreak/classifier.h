// The application's own word on whether a result is the server's failure.
//
//   engine->SetClassifier(
//       "payment", "/shop.v1.PaymentService/Charge",
//       [](const firebreak::Result& result) {
//         if (result.code != grpc::StatusCode::FAILED_PRECONDITION) {
//           return firebreak::Judgement::kDefault;
//         }
//         return result.trailing.count("x-ledger-down") > 0
//                    ? firebreak::Judgement::kFailure
//                    : firebreak::Judgement::kIgnore;
//       });
//
// Asked once for each attempt that was answered, OK ones included, or that its
// deadline ended, after the call has gone on its way: it changes what the
// breaker counts, never what the caller gets, nor whether the call is retried.
// It is not asked for what says nothing of the server: cancelled by the caller,
// lost to a hedge, never sent, granted too little time. What it takes itself is
// not counted as the server's time.
//
// Thread safety: called on a bounded pool (EngineOptions::observer_threads),
// several at a time, so that results of one instant may be counted in either
// order. One that throws, takes longer than a second or finds the pool full
// counts as kDefault, and is counted: Engine::callback_faults().
//
// Ownership: as for fallbacks, see fallback.h.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_

#include <grpcpp/support/status_code_enum.h>

#include <functional>
#include <map>
#include <string>

namespace firebreak {

struct Result {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string details;  // a serialized google.rpc.Status, if anything
  std::multimap<std::string, std::string> trailing;
};

enum class Judgement {
  kDefault,  // as the policy has it
  kSuccess,
  kFailure,
  kIgnore,  // counts as neither
};

using Classifier = std::function<Judgement(const Result& result)>;

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_
