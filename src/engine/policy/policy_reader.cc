#include "src/engine/policy/policy_reader.h"

#include <utility>

namespace firebreak::engine {

void PolicyReader::Duration(absl::string_view field, const std::string& text,
                            core::Duration* out) {
  const absl::StatusOr<core::Duration> parsed = core::ParseDuration(text);
  // Zero as the stand-in: no other field is compared with it to its loss.
  *out = parsed.value_or(core::Duration::zero());
  const std::string path = Join(field);
  if (parsed.ok()) {
    unreadable_->erase(path);
    return;
  }
  unreadable_->insert(path);
  errors_->push_back({path, std::string(parsed.status().message())});
}

void PolicyReader::Codes(absl::string_view field,
                         const google::protobuf::RepeatedField<int>& codes,
                         core::CodeSet* out) {
  const std::string path = Join(field);
  core::CodeSet read;
  bool readable = true;
  for (int i = 0; i < codes.size(); ++i) {
    std::string problem;
    if (!v1::Code_IsValid(codes[i])) {
      problem = absl::StrCat("is ", codes[i], "; allowed: a name of Code");
    } else if (codes[i] == v1::OK) {
      problem = "is OK; allowed: codes other than OK";
    } else {
      read.Add(static_cast<absl::StatusCode>(codes[i]));
      continue;
    }
    readable = false;
    errors_->push_back({absl::StrCat(path, "[", i, "]"), std::move(problem)});
  }
  *out = read;
  if (readable) {
    unreadable_->erase(path);
  } else {
    unreadable_->insert(path);
  }
}

void PolicyReader::Jitter(absl::string_view field,
                          v1::RetryPolicy::Backoff::Jitter jitter,
                          core::BackoffOptions::Jitter* out) {
  using In = v1::RetryPolicy::Backoff;
  using Out = core::BackoffOptions::Jitter;
  switch (jitter) {
    case In::FULL:
      *out = Out::kFull;
      return;
    case In::EQUAL:
      *out = Out::kEqual;
      return;
    case In::PLUS_MINUS:
      *out = Out::kPlusMinus;
      return;
    case In::NONE:
      *out = Out::kNone;
      return;
    default:
      break;  // any number may arrive in a proto3 enum
  }
  Add(field, absl::StrCat("is ", static_cast<int>(jitter),
                          "; allowed: FULL, EQUAL, PLUS_MINUS, NONE"));
}

void PolicyReader::Add(absl::string_view field, std::string problem) {
  errors_->push_back({Join(field), std::move(problem)});
}

std::string PolicyReader::Join(absl::string_view field) const {
  return path_.empty() ? std::string(field) : absl::StrCat(path_, ".", field);
}

}  // namespace firebreak::engine
