// A classifier is a function of the application that decides whether a result
// counts as a failure of the server.
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
// It is asked once for each attempt that was answered (OK included), whose
// connection broke or could not be made, or that ended at its deadline. It is
// asked only after the call has gone on. So it changes what the breaker counts,
// and never what the caller gets or whether the call is retried. It is not
// asked about attempts that say nothing about the server: those that the caller
// cancelled, that lost to another attempt, that failed in this process, that
// were granted too little time, or that were probes without a connection. The
// time that the classifier takes does not count as the server's time.
//
// Thread safety: it is called on a bounded pool of threads
// (EngineOptions::observer_threads), several calls at a time. Two results of
// the same moment may be counted in either order. A classifier that throws,
// takes longer than a second or finds the pool's queue full counts as kDefault,
// and Engine::callback_faults() counts how often that happened.
//
// Ownership: as for fallbacks, see fallback.h.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_

#include <grpcpp/support/status_code_enum.h>

#include <functional>
#include <map>
#include <string>

namespace firebreak {

// The result of one attempt.
struct Result {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string details;  // a serialized google.rpc.Status, or empty
  std::multimap<std::string, std::string> trailing;
};

// How the breaker counts a result.
enum class Judgement {
  kDefault,  // as the policy says
  kSuccess,
  kFailure,
  kIgnore,  // counts as neither
};

using Classifier = std::function<Judgement(const Result& result)>;

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CLASSIFIER_H_
