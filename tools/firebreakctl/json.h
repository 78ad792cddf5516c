// Answers of the admin service as JSON, for scripts.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_JSON_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_JSON_H_

#include <google/protobuf/message.h>

#include <string>

namespace firebreak::ctl {

// With `whitespace` over many lines, else in one.
std::string ToJson(const google::protobuf::Message& message, bool whitespace);

// `text` as a string of JSON, with its quotes.
std::string JsonText(const std::string& text);

// {"target":"a:1","response":{...}}, or {"target":"a:1","error":"..."}.
std::string ToJsonLine(const std::string& target, const std::string& error,
                       const google::protobuf::Message& response);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_JSON_H_
