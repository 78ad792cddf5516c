// The engines of one admin service, usually one.
//
//   Engines engines({{"orders", orders}, {"users", users}}, options);
//   absl::StatusOr<const OneEngine*> one = engines.Of("orders", "engine");
//   return (*one)->policies->Get(context, request, one.status(), response);
//
// gRPC allows one service of a name per server, so a process with several
// engines has one admin service for all of them. Lists show the engines one
// after the other; a request about one engine has to name it if there are
// several.
//
// Thread safety: safe from any thread; immutable.
#ifndef FIREBREAK_SRC_ADMIN_ENGINES_H_
#define FIREBREAK_SRC_ADMIN_ENGINES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "firebreak/admin_service.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/control/candidates.h"
#include "src/admin/control/changes.h"
#include "src/admin/control/gate.h"
#include "src/admin/control/policies.h"
#include "src/admin/health/rates.h"
#include "src/admin/streams/call_recorder.h"
#include "src/admin/streams/event_streams.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

// The parts of the service that belong to one engine.
struct OneEngine {
  OneEngine(std::string its_name, std::shared_ptr<engine::EngineCore> its_core,
            const AdminOptions& options);

  const std::string name;  // "" = the only one
  const std::shared_ptr<engine::EngineCore> core;
  const std::shared_ptr<Gate> gate;
  const std::unique_ptr<Changes> changes;
  const std::unique_ptr<Policies> policies;
  const std::unique_ptr<Candidates> candidates;
  const std::shared_ptr<Rates> rates;
  const std::shared_ptr<EventStreams> streams;
  const std::shared_ptr<CallRecorder> recorder;
};

class Engines {
 public:
  // Null engines are left out. If there are several, an engine without a name,
  // or with the name of an earlier one, gets its number as a name, from 1 on.
  Engines(const std::vector<NamedEngine>& engines, const AdminOptions& options);

  const std::vector<std::unique_ptr<OneEngine>>& all() const { return all_; }
  // All engines if no name is given. NOT_FOUND if no engine has that name.
  absl::StatusOr<std::vector<const OneEngine*>> Named(
      const std::string& name) const;
  // The engine of that name, or the only one if no name is given.
  // INVALID_ARGUMENT if there are several; then `field` has to name one.
  absl::StatusOr<const OneEngine*> Of(const std::string& name,
                                      absl::string_view field) const;
  // The engine that has the method, if the selector names no engine.
  // INVALID_ARGUMENT if several have it, NOT_FOUND if none has.
  absl::StatusOr<const OneEngine*> With(
      const v1::MethodSelector& selector) const;

  // Returns the first engine if none was found: its gate then authorizes the
  // caller.
  const OneEngine& OrFirst(const absl::StatusOr<const OneEngine*>& one) const {
    return one.ok() ? **one : *all_.front();
  }

 private:
  absl::Status Ambiguous(const std::vector<const OneEngine*>& fitting,
                         absl::string_view field, absl::string_view why) const;

  std::vector<std::unique_ptr<OneEngine>> all_;
};

// Sets the engine's name in each item.
void SetEngine(const std::string& name, v1::ListMethodsResponse* response);
void SetEngine(const std::string& name, v1::GetHealthResponse* response);
void SetEngine(const std::string& name, v1::ListAlertsResponse* response);
inline int SizeOf(const v1::ListMethodsResponse& r) { return r.methods_size(); }
inline int SizeOf(const v1::GetHealthResponse& r) { return r.methods_size(); }
inline int SizeOf(const v1::ListAlertsResponse& r) { return r.alerts_size(); }

// Parses a page token of AskInTurn(): the index of the next engine, and that
// engine's own token. INVALID_ARGUMENT if it is not such a token.
absl::Status ReadTurn(const std::string& token, std::size_t engines,
                      std::size_t* at, std::string* of_engine);

// Makes one list out of those of several engines, one engine after the other,
// page by page. `ask(engine, request, response)` makes the list of one engine.
// The result is NOT_FOUND only if it is so for all engines.
template <class Request, class Response, class Ask>
absl::Status AskInTurn(const std::vector<const OneEngine*>& engines,
                       const Request& request, Response* response,
                       const Ask& ask) {
  if (engines.size() == 1) {
    absl::Status status = ask(*engines.front(), request, response);
    SetEngine(engines.front()->name, response);
    return status;
  }
  std::size_t at = 0;
  std::string token;
  absl::Status read =
      ReadTurn(request.page_token(), engines.size(), &at, &token);
  if (!read.ok()) return read;
  absl::Status missing;
  bool found = !request.page_token().empty();
  int32_t left = request.page_size();
  for (; at < engines.size(); ++at, token.clear()) {
    Request one = request;
    one.set_page_token(token);
    one.set_page_size(left);
    Response part;
    absl::Status status = ask(*engines[at], one, &part);
    if (absl::IsNotFound(status)) {
      missing = status;
      continue;
    }
    if (!status.ok()) return status;
    found = true;
    SetEngine(engines[at]->name, &part);
    const std::string next = part.next_page_token();
    part.clear_next_page_token();
    left -= request.page_size() == 0 ? 0 : SizeOf(part);
    response->MergeFrom(part);
    if (!next.empty()) {
      response->set_next_page_token(absl::StrCat(at, ":", next));
      break;
    }
    if (request.page_size() != 0 && left <= 0) {
      if (at + 1 < engines.size()) {
        response->set_next_page_token(absl::StrCat(at + 1, ":"));
      }
      break;
    }
  }
  return found ? absl::OkStatus() : missing;
}

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_ENGINES_H_
