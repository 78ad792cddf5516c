#include "src/admin/engines.h"

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/text.h"
#include "src/engine/method_runtime.h"

namespace firebreak::admin {
namespace {

std::string Listed(const std::vector<const OneEngine*>& engines) {
  return absl::StrJoin(engines, ", ",
                       [](std::string* out, const OneEngine* each) {
                         absl::StrAppend(out, Quote(each->name));
                       });
}

}  // namespace

OneEngine::OneEngine(std::string its_name,
                     std::shared_ptr<engine::EngineCore> its_core,
                     const AdminOptions& options)
    : name(std::move(its_name)),
      core(std::move(its_core)),
      gate(std::make_shared<Gate>(core, options)),
      changes(std::make_unique<Changes>(core, gate)),
      policies(std::make_unique<Policies>(core, gate)),
      candidates(std::make_unique<Candidates>(core, gate)),
      rates(Rates::Create(core)),
      streams(EventStreams::Create(core)),
      recorder(CallRecorder::Create(core, gate)) {
  rates->Start();
}

Engines::Engines(const std::vector<NamedEngine>& engines,
                 const AdminOptions& options) {
  std::set<std::string> names;
  for (size_t i = 0; i < engines.size(); ++i) {
    const NamedEngine& each = engines[i];
    if (each.engine == nullptr) continue;
    std::string name = each.name;
    if (engines.size() > 1 && (name.empty() || names.count(name) > 0)) {
      name = absl::StrCat(i + 1);
    }
    names.insert(name);
    all_.push_back(std::make_unique<OneEngine>(ToUtf8(name),
                                               each.engine->core(), options));
  }
}

absl::StatusOr<std::vector<const OneEngine*>> Engines::Named(
    const std::string& name) const {
  std::vector<const OneEngine*> fitting;
  std::vector<std::string> names;
  for (const auto& each : all_) {
    if (name.empty() || each->name == name) fitting.push_back(each.get());
    names.push_back(each->name);
  }
  if (!fitting.empty()) return fitting;
  return absl::NotFoundError(
      absl::StrCat("no engine ", Quote(name), NearestHint(name, names)));
}

absl::Status Engines::Ambiguous(const std::vector<const OneEngine*>& fitting,
                                absl::string_view field,
                                absl::string_view why) const {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": is \"\"; allowed one of ", Listed(fitting), why));
}

absl::StatusOr<const OneEngine*> Engines::Of(const std::string& name,
                                             absl::string_view field) const {
  auto named = Named(name);
  if (!named.ok()) return named.status();
  if (named->size() > 1) return Ambiguous(*named, field, "");
  return named->front();
}

absl::StatusOr<const OneEngine*> Engines::With(
    const v1::MethodSelector& selector) const {
  auto named = Named(selector.engine());
  if (!named.ok()) return named.status();
  if (named->size() == 1) return named->front();
  std::vector<const OneEngine*> fitting;
  absl::Status missing;
  for (const OneEngine* each : *named) {
    const auto selected = selector.method() == engine::kAllMethods
                              ? SelectShared(*each->core, selector)
                              : SelectMethod(*each->core, selector);
    if (selected.ok()) {
      fitting.push_back(each);
    } else if (missing.ok() || absl::IsNotFound(missing)) {
      missing = selected.status();
    }
  }
  if (fitting.empty()) return missing;
  if (fitting.size() > 1) {
    return Ambiguous(fitting, "selector.engine", ", which all have it");
  }
  return fitting.front();
}

void SetEngine(const std::string& name, v1::ListMethodsResponse* response) {
  if (name.empty()) return;
  for (v1::Method& each : *response->mutable_methods()) each.set_engine(name);
}

void SetEngine(const std::string& name, v1::GetHealthResponse* response) {
  if (name.empty()) return;
  for (auto& each : *response->mutable_methods()) each.set_engine(name);
}

void SetEngine(const std::string& name, v1::ListAlertsResponse* response) {
  if (name.empty()) return;
  for (v1::Alert& each : *response->mutable_alerts()) each.set_engine(name);
}

absl::Status ReadTurn(const std::string& token, size_t engines, size_t* at,
                      std::string* of_engine) {
  if (token.empty()) return absl::OkStatus();
  const size_t colon = token.find(':');
  uint32_t turn = 0;
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(absl::string_view(token).substr(0, colon), &turn) ||
      turn >= engines) {
    return absl::InvalidArgumentError(
        "page_token: is none of this service; allowed: the next_page_token of "
        "an answer to the same request");
  }
  *at = turn;
  *of_engine = token.substr(colon + 1);
  return absl::OkStatus();
}

}  // namespace firebreak::admin
