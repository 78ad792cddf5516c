// Prints answers of the admin service as JSON, for scripts.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_JSON_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_JSON_H_

#include <google/protobuf/message.h>

#include <string>

namespace firebreak::ctl {

// With `whitespace` on many lines, otherwise on one.
std::string ToJson(const google::protobuf::Message& message, bool whitespace);

// Returns `text` as a JSON string, with quotes.
std::string JsonText(const std::string& text);

// Returns {"target":"a:1","response":{...}}, or {"target":"a:1","error":"..."}.
std::string ToJsonLine(const std::string& target, const std::string& error,
                       const google::protobuf::Message& response);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_SHOW_JSON_H_
