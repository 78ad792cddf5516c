#include "tools/firebreakctl/live/serve.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "tools/firebreakctl/live/fleet.h"
#include "tools/firebreakctl/live/fleet_json.h"
#include "tools/firebreakctl/live/page.h"
#include "tools/firebreakctl/live/plain_page.h"
#include "tools/firebreakctl/show/json.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using httplib::Request;
using httplib::Response;

// The most viewers, each of which takes a thread.
constexpr int kMostViewers = 32;
// Threads for requests that are answered at once.
constexpr size_t kOtherThreads = 8;
// A viewer that does not read for this long is disconnected.
constexpr int kWriteTimeoutSeconds = 2;
// The time between two heartbeats.
constexpr core::Duration kHeartbeat = std::chrono::seconds(5);
constexpr size_t kLongestRequest = 64 << 10;
constexpr size_t kShortestToken = 16;
constexpr char kSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
    "'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

// A name without its port: "localhost" for "localhost:8090".
std::string WithoutPort(const std::string& host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos &&
                        (bracket == std::string::npos || colon > bracket);
  return absl::AsciiStrToLower(has_port ? host.substr(0, colon) : host);
}

// Compares in a time that does not depend on where they differ.
bool AreSame(const std::string& a, const std::string& b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    differs |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return differs == 0;
}

std::string DrawToken() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&token, "%08x", device());
  return token;
}

const char* TypeOf(absl::string_view name) {
  if (absl::EndsWith(name, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(name, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(name, ".svg")) return "image/svg+xml";
  return "text/javascript; charset=utf-8";
}

void Refuse(int status, const std::string& why, Response* response) {
  response->status = status;
  response->set_content(why + "\n", "text/plain; charset=utf-8");
}

class Site {
 public:
  Site(Fleet* fleet, const ServeOptions& options, std::string token)
      : fleet_(fleet), options_(options), token_(std::move(token)) {}

  // Returns the error, or "".
  std::string Bind();
  // Runs until it is interrupted.
  void Run() { server_.listen_after_bind(); }
  std::string address() const { return absl::StrCat(host_, ":", port_); }

 private:
  void AddRoutes();
  // Whether to accept the request; if not, `response` says why.
  bool IsForUs(const Request& request, Response* response) const;
  bool IsOurPage(const Request& request, Response* response) const;
  void StreamTo(Response* response);
  void ShowMethod(const Request& request, Response* response) const;
  template <class Body, class Reply>
  void Change(const Request& request, Response* response,
              grpc::Status (v1::Admin::Stub::*rpc)(grpc::ClientContext*,
                                                   const Body&, Reply*)) const;

  Fleet* const fleet_;
  const ServeOptions options_;
  const std::string token_;  // "": changes are not allowed
  std::string host_;
  int port_ = 0;
  std::set<std::string> names_;
  std::atomic<int> viewers_{0};
  httplib::Server server_;
};

std::string Site::Bind() {
  const size_t colon = options_.listen.rfind(':');
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(options_.listen.substr(colon + 1), &port_) ||
      port_ < 0 || port_ > 65535) {
    return absl::StrCat("--listen: is ", options_.listen,
                        "; allowed HOST:PORT, such as 127.0.0.1:8090");
  }
  host_ = options_.listen.substr(0, colon);
  names_ = {"localhost", "127.0.0.1", "[::1]", absl::AsciiStrToLower(host_)};
  for (const std::string& each : options_.hosts) {
    names_.insert(absl::AsciiStrToLower(each));
  }
  std::string bare = host_;
  if (absl::StartsWith(bare, "[") && absl::EndsWith(bare, "]")) {
    bare = bare.substr(1, bare.size() - 2);
  }
  // Not SO_REUSEPORT, which cpp-httplib sets: two servers would share a port
  // without an error.
  server_.set_socket_options([](socket_t sock) {
    const int yes = 1;
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    fcntl(sock, F_SETFD, FD_CLOEXEC);
  });
  server_.new_task_queue = [] {
    return new httplib::ThreadPool(kMostViewers + kOtherThreads);
  };
  server_.set_read_timeout(5);
  server_.set_write_timeout(kWriteTimeoutSeconds);
  server_.set_keep_alive_timeout(2);
  // If a request is refused before its body is read, the body must not be
  // parsed as the next request.
  server_.set_keep_alive_max_count(1);
  server_.set_payload_max_length(kLongestRequest);
  server_.set_tcp_nodelay(true);
  server_.set_default_headers({{"Content-Security-Policy", kSecurityPolicy},
                               {"X-Content-Type-Options", "nosniff"},
                               {"Referrer-Policy", "no-referrer"},
                               {"Cross-Origin-Resource-Policy", "same-origin"},
                               {"Cache-Control", "no-store"}});
  AddRoutes();
  if (port_ == 0) {
    port_ = server_.bind_to_any_port(bare);
    if (port_ > 0) return "";
  } else if (server_.bind_to_port(bare, port_)) {
    return "";
  }
  return absl::StrCat("--listen: ", options_.listen,
                      " cannot be had: is another program there? --listen "
                      "127.0.0.1:0 takes a free port");
}

bool Site::IsForUs(const Request& request, Response* response) const {
  // The size limit works only for bodies with a length.
  if (request.has_header("Transfer-Encoding") ||
      (request.method == "POST" && !request.has_header("Content-Length"))) {
    Refuse(411, "say a Content-Length", response);
    return false;
  }
  if (names_.count(WithoutPort(request.get_header_value("Host"))) > 0) {
    return true;
  }
  Refuse(421,
         "this is firebreakctl serve, and it is not known by that name: see "
         "--allow-host",
         response);
  return false;
}

bool Site::IsOurPage(const Request& request, Response* response) const {
  const std::string origin = request.get_header_value("Origin");
  const std::string site = request.get_header_value("Sec-Fetch-Site");
  const std::string host = request.get_header_value("Host");
  const bool is_same = origin.empty() || origin == "http://" + host ||
                       origin == "https://" + host;
  if (!is_same || (!site.empty() && site != "same-origin" && site != "none")) {
    Refuse(403, "not from another site", response);
    return false;
  }
  if (!absl::StartsWith(request.get_header_value("Content-Type"),
                        "application/json")) {
    Refuse(415, "only application/json", response);
    return false;
  }
  return true;
}

void Site::AddRoutes() {
  server_.set_pre_routing_handler([this](const Request& q, Response& r) {
    return IsForUs(q, &r) ? httplib::Server::HandlerResponse::Unhandled
                          : httplib::Server::HandlerResponse::Handled;
  });
  for (const PageFile& file : PageFiles()) {
    const std::string path =
        file.name == "index.html" ? "/" : absl::StrCat("/", file.name);
    server_.Get(path, [file](const Request&, Response& r) {
      r.set_content(file.text.data(), file.text.size(), TypeOf(file.name));
    });
  }
  server_.Get("/plain", [this](const Request&, Response& r) {
    r.set_content(PlainPage(fleet_->Last()), "text/html; charset=utf-8");
  });
  server_.Get("/events", [this](const Request&, Response& r) { StreamTo(&r); });
  server_.Post("/api/method",
               [this](const Request& q, Response& r) { ShowMethod(q, &r); });
  server_.Post("/api/override", [this](const Request& q, Response& r) {
    Change<v1::SetOverrideRequest>(q, &r, &v1::Admin::Stub::SetOverride);
  });
  server_.Post("/api/clear", [this](const Request& q, Response& r) {
    Change<v1::ClearOverrideRequest>(q, &r, &v1::Admin::Stub::ClearOverride);
  });
  server_.Post("/api/reset", [this](const Request& q, Response& r) {
    Change<v1::ResetMethodRequest>(q, &r, &v1::Admin::Stub::ResetMethod);
  });
}

void Site::StreamTo(Response* response) {
  if (viewers_.fetch_add(1) >= kMostViewers) {
    --viewers_;
    response->set_header("Retry-After", "10");
    Refuse(503, absl::StrCat("there are ", kMostViewers, " viewers already"),
           response);
    return;
  }
  fleet_->AddViewer();
  struct Viewer {
    Fleet::Cursor cursor;
    bool is_greeted = false;
  };
  auto viewer = std::make_shared<Viewer>();
  response->set_header("X-Accel-Buffering", "no");
  response->set_chunked_content_provider(
      "text/event-stream",
      [this, viewer](size_t, httplib::DataSink& sink) {
        std::string text;
        if (!std::exchange(viewer->is_greeted, true)) {
          std::string names;
          for (const std::string& name : fleet_->targets()) {
            absl::StrAppend(&names, names.empty() ? "" : ",", JsonQuoted(name));
          }
          text = absl::StrCat("event: hello\ndata: {\"changes\":",
                              token_.empty() ? "false" : "true",
                              ",\"targets\":[", names, "]}\n\n");
        } else {
          text = fleet_->Wait(&viewer->cursor, kHeartbeat);
          if (text.empty()) text = ": alive\n\n";
        }
        return sink.write(text.data(), text.size());
      },
      [this](bool) {
        --viewers_;
        fleet_->RemoveViewer();
      });
}

void Site::ShowMethod(const Request& request, Response* response) const {
  if (!IsOurPage(request, response)) return;
  v1::GetMethodRequest get;
  v1::Admin::Stub* const stub = fleet_->Find(request.get_param_value("target"));
  if (stub == nullptr || !google::protobuf::util::JsonStringToMessage(
                              request.body, get.mutable_selector())
                              .ok()) {
    Refuse(400, "no such target, or the body is no MethodSelector", response);
    return;
  }
  std::string json = "{";
  const auto ask = [&](const char* name, auto rpc, const auto& body,
                       auto reply) {
    grpc::ClientContext context;
    fleet_->Begin(&context);
    const grpc::Status status = (stub->*rpc)(&context, body, &reply);
    absl::StrAppend(
        &json, json.size() > 1 ? "," : "", "\"", name, "\":",
        status.ok()
            ? ToJson(reply, false)
            : absl::StrCat("{\"error\":", JsonQuoted(ErrorText(status)), "}"));
  };
  ask("method", &v1::Admin::Stub::GetMethod, get, v1::GetMethodResponse());
  v1::ListDecisionsRequest why;
  *why.mutable_selector() = get.selector();
  ask("decisions", &v1::Admin::Stub::ListDecisions, why,
      v1::ListDecisionsResponse());
  v1::GetPolicyRequest policy;
  policy.set_engine(get.selector().engine());
  ask("policy", &v1::Admin::Stub::GetPolicy, policy, v1::GetPolicyResponse());
  response->set_content(json + "}", "application/json");
}

template <class Body, class Reply>
void Site::Change(const Request& request, Response* response,
                  grpc::Status (v1::Admin::Stub::*rpc)(grpc::ClientContext*,
                                                       const Body&,
                                                       Reply*)) const {
  if (!IsOurPage(request, response)) return;
  if (token_.empty()) {
    Refuse(403, "nothing can be changed here: see --allow-changes", response);
    return;
  }
  if (!AreSame(request.get_header_value("X-Firebreak-Token"), token_)) {
    Refuse(403, "the token is not the one for changes", response);
    return;
  }
  Body body;
  v1::Admin::Stub* const stub = fleet_->Find(request.get_param_value("target"));
  if (stub == nullptr ||
      !google::protobuf::util::JsonStringToMessage(request.body, &body).ok()) {
    Refuse(400, "no such target, or the body is not what is asked for",
           response);
    return;
  }
  grpc::ClientContext context;
  fleet_->Begin(&context);
  Reply reply;
  const grpc::Status status = (stub->*rpc)(&context, body, &reply);
  if (!status.ok()) {
    Refuse(
        status.error_code() == grpc::StatusCode::PERMISSION_DENIED ? 403 : 502,
        Printable(ErrorText(status)), response);
    return;
  }
  response->set_content(ToJson(reply, false), "application/json");
}

int Fail(const std::string& what) {
  std::cerr << "firebreakctl: " << Printable(what) << "\n";
  return kExitUsage;
}

}  // namespace

int Serve(const Settings& settings, const ServeOptions& options) {
  std::string token;
  if (!options.change_token_file.empty()) {
    std::ifstream file(options.change_token_file);
    std::stringstream text;
    text << file.rdbuf();
    token = std::string(absl::StripAsciiWhitespace(text.str()));
    if (token.size() < kShortestToken) {
      return Fail(absl::StrCat(
          "--change-token-file: ", options.change_token_file,
          " has no token of at least ", kShortestToken, " characters"));
    }
  }
  if (!options.allow_changes) {
    token.clear();
  } else if (token.empty()) {
    token = DrawToken();
  }
  Fleet fleet(settings);
  const absl::Status ready = fleet.Connect();
  if (!ready.ok()) return Fail(std::string(ready.message()));
  Site site(&fleet, options, token);
  const std::string wrong = site.Bind();
  if (!wrong.empty()) return Fail(wrong);
  fleet.Start();
  std::cout << "http://" << site.address() << "/\n";
  if (options.allow_changes && options.change_token_file.empty()) {
    std::cout << "token for changes: " << token << "\n";
  }
  std::cout.flush();
  site.Run();
  return kExitOk;
}

}  // namespace firebreak::ctl
