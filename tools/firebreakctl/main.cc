// firebreakctl: looks at and controls the circuit breakers of a running process
// through its admin service. `firebreakctl --help` is the manual.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/presets.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/completion.h"
#include "tools/firebreakctl/environment.h"
#include "tools/firebreakctl/policy_file.h"
#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {
namespace {

constexpr char kMethodHelp[] =
    "\"/shop.v1.PaymentService/Charge\"; its end is enough while it fits one "
    "method only: \"PaymentService/Charge\", \"Charge\"";

// For commands that change breakers.
constexpr char kBreakersHelp[] =
    "\"/shop.v1.PaymentService/Charge\"; its end is enough while it fits one "
    "method only: \"Charge\". \"*\": the breaker that all methods of a channel "
    "share (scope: CHANNEL), which none of them alone stands for";

constexpr char kExamples[] = R"(Examples:
  firebreakctl list
  firebreakctl show PaymentService/Charge
  firebreakctl override Charge open --for 30s
  firebreakctl clear Charge
  firebreakctl events --follow
  firebreakctl health --target order-1:50051,order-2:50051
  firebreakctl alerts --target order-1:50051 --ca ca.pem --token-file token
  firebreakctl policy diff policy.textproto
  firebreakctl policy apply policy.textproto
  source <(firebreakctl completion bash)
  FIREBREAK_TARGET=unix:/run/shop/admin.sock firebreakctl list --json

Environment: FIREBREAK_TARGET, FIREBREAK_TIMEOUT, FIREBREAK_TLS (1),
FIREBREAK_CA, FIREBREAK_CERT, FIREBREAK_KEY, FIREBREAK_SERVER_NAME and
FIREBREAK_TOKEN_FILE stand for the options of that name, FIREBREAK_TOKEN for the
token itself. NO_COLOR: no colours. COLUMNS: the width to keep to.

Exit codes: 0 done; 1 the server said no or cannot be reached; 2 wrong usage.
`health`: 0 healthy, 1 degraded, 2 unhealthy, not to be reached, or no method of
the --channel.
`policy diff`: 0 no difference, 1 some, 2 trouble.)";

// The text of a duration within [low, high], which messages call `range`.
CLI::Validator DurationCheck(core::Duration low, core::Duration high,
                             const std::string& range) {
  return CLI::Validator(
      [low, high, range](const std::string& text) -> std::string {
        absl::StatusOr<core::Duration> duration = core::ParseDuration(text);
        if (!duration.ok()) return std::string(duration.status().message());
        if (*duration >= low && *duration <= high) return "";
        return "is " + text + "; allowed " + range;
      },
      "");
}

CLI::Validator TimeoutCheck() {
  return DurationCheck(std::chrono::milliseconds(1), std::chrono::hours(1),
                       "[1ms, 1h]");
}

// What was typed.
struct Arguments {
  Settings settings;
  std::string timeout;
  std::string method;
  std::string state;
  std::string override_for;
  EventsRequest events;
  bool names_only = false;
  bool critical_only = false;
  PolicyRequest policy;
  std::string shell;
};

// Options that every command takes, before and after its name.
void AddCommonOptions(CLI::App* app, Arguments* args) {
  app->add_option("--target", args->settings.targets,
                  "Addresses of admin services, in gRPC's terms: host:port, "
                  "unix:/path; several with commas, or several times (default "
                  "127.0.0.1:50051)")
      ->delimiter(',')
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
  app->add_option("--channel", args->settings.channel,
                  "Only methods of the channels of this name");
  app->add_option("--timeout", args->timeout,
                  "How long to wait for an answer: 500ms, 5s (default 5s)")
      ->type_name("DURATION")
      ->check(TimeoutCheck());
  Security& security = args->settings.security;
  app->add_flag("--tls", security.tls,
                "Speak TLS; implied by the next four options");
  app->add_option("--ca", security.ca_file,
                  "PEM file of the authorities that the server's certificate "
                  "may be of (default: the machine's)");
  app->add_option("--cert", security.cert_file,
                  "PEM file of a client certificate");
  app->add_option("--key", security.key_file, "PEM file of the key to it");
  app->add_option("--server-name", security.server_name,
                  "Name that the server's certificate must be of, if not that "
                  "of the target");
  app->add_option("--token-file", security.token_file,
                  "File with the token that a change needs. Not sent in plain "
                  "text over a network");
  app->add_flag("--json", args->settings.json,
                "Print the answer as JSON; events as one object a line");
}

using Command = std::function<int(Client*)>;

CLI::App* AddCommand(CLI::App* app, Arguments* args, const std::string& name,
                     const std::string& description,
                     const std::string& examples, Command command,
                     Command* chosen) {
  CLI::App* const sub = app->add_subcommand(name, description);
  AddCommonOptions(sub, args);
  sub->footer("Examples:\n" + examples);
  sub->callback([command = std::move(command), chosen] { *chosen = command; });
  return sub;
}

void AddCommands(CLI::App* app, Arguments* args, Command* chosen) {
  auto add = [&](const char* name, const char* description,
                 const char* examples, Command command) {
    return AddCommand(app, args, name, description, examples,
                      std::move(command), chosen);
  };
  auto takes_method = [&](CLI::App* sub, const char* help) {
    sub->add_option("METHOD", args->method, help)->required()->type_name("");
    return sub;
  };

  add("list", "Show every method, its breakers and main figures, worst first",
      "  firebreakctl list\n"
      "  firebreakctl list --target a:50051,b:50051\n"
      "  firebreakctl list --channel payment --json",
      [args](Client* client) {
        return args->names_only ? client->Names() : client->List();
      })
      ->add_flag("--names", args->names_only, "Only the methods' names");
  takes_method(
      add("show", "Show all there is to say about one method",
          "  firebreakctl show PaymentService/Charge\n"
          "  firebreakctl show Charge --channel payment --json",
          [args](Client* client) { return client->Show(args->method); }),
      kMethodHelp);
  CLI::App* const set = takes_method(
      add("override", "Hold a method's breakers open or closed",
          "  firebreakctl override Charge open --for 30s\n"
          "  firebreakctl override PaymentService/Charge closed",
          [args](Client* client) {
            absl::optional<core::Duration> duration;
            if (!args->override_for.empty()) {
              duration = *core::ParseDuration(args->override_for);
            }
            return client->Override(args->method,
                                    args->state == "open"
                                        ? v1::BREAKER_STATE_FORCED_OPEN
                                        : v1::BREAKER_STATE_FORCED_CLOSED,
                                    duration);
          }),
      kBreakersHelp);
  set->add_option("STATE", args->state, "open: refuse all; closed: admit all")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"open", "closed"}));
  set->add_option("--for", args->override_for,
                  "When the override ends by itself: 30s, 5m (default: only "
                  "by `clear`)")
      ->type_name("DURATION")
      ->check(DurationCheck(core::Duration(1), std::chrono::hours(24 * 30),
                            "(0, 720h]"));
  takes_method(
      add("clear", "End the override of a method's breakers",
          "  firebreakctl clear Charge",
          [args](Client* client) { return client->Clear(args->method); }),
      kBreakersHelp);
  takes_method(
      add("reset",
          "Close a method's breakers, empty their windows, end overrides",
          "  firebreakctl reset Charge\n"
          "  firebreakctl reset Charge --channel payment",
          [args](Client* client) { return client->Reset(args->method); }),
      kBreakersHelp);
  CLI::App* const events =
      add("events", "Show what happened, oldest first",
          "  firebreakctl events\n"
          "  firebreakctl events --follow --json\n"
          "  firebreakctl events --after 120",
          [args](Client* client) { return client->Events(args->events); });
  add("health", "Show how healthy the methods are; exit code 0, 1 or 2",
      "  firebreakctl health || echo not well",
      [](Client* client) { return client->Health(); });
  add("alerts", "Show what somebody should look at",
      "  firebreakctl alerts\n"
      "  firebreakctl alerts --critical --json",
      [args](Client* client) { return client->Alerts(args->critical_only); })
      ->add_flag("--critical", args->critical_only, "Only the critical ones");
  events->add_flag("--follow", args->events.follow,
                   "Then go on with what happens, until interrupted. A server "
                   "that is silent for three times --timeout is asked anew");
  events
      ->add_option("--after", args->events.after,
                   "Only events numbered after this one")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()));
}

// `local` is chosen where a file is all that is asked.
void AddPolicyCommands(CLI::App* app, Arguments* args, Command* chosen,
                       std::function<int()>* local) {
  CLI::App* const policy = app->add_subcommand(
      "policy", "Show, check, compare and replace the policy");
  policy->require_subcommand(1);
  auto add = [&](const char* name, const char* description,
                 const char* examples, Command command) {
    return AddCommand(policy, args, name, description, examples,
                      std::move(command), chosen);
  };
  auto takes_file = [&](CLI::App* sub) {
    return sub
        ->add_option("FILE", args->policy.path,
                     "Policy file, \"-\" for standard input")
        ->type_name("");
  };
  add("get", "Print the policy in force, as a policy file",
      "  firebreakctl policy get >policy.textproto\n"
      "  firebreakctl policy get --json",
      [](Client* client) { return client->GetPolicy(); });
  CLI::App* const lint =
      add("lint", "Say what is most likely not meant",
          "  firebreakctl policy lint policy.textproto   no server is asked\n"
          "  firebreakctl policy lint                    what a server knows, "
          "with the names no call was for\n\n"
          "Exit codes: 0 good, warnings at most; 1 not.",
          nullptr);
  takes_file(lint);
  lint->callback([args, chosen, local] {
    if (args->policy.path.empty()) {
      *chosen = [](Client* client) { return client->LintPolicy(); };
      return;
    }
    *local = [args] {
      return LintPolicyFile(args->policy.path, args->settings.json,
                            args->settings.style);
    };
  });
  takes_file(add("diff", "Tell what a policy file would change",
                 "  firebreakctl policy diff policy.textproto\n\n"
                 "Exit codes: 0 nothing; 1 something; 2 trouble.",
                 [args](Client* client) {
                   return client->DiffPolicy(args->policy.path);
                 }))
      ->required();
  CLI::App* const apply =
      add("apply", "Replace the policy while calls run",
          "  firebreakctl policy apply policy.textproto --target a:1,b:1\n"
          "  firebreakctl policy apply policy.textproto --if-version 3\n\n"
          "Of several servers all or none, as far as a trial can tell.",
          [args](Client* client) { return client->ApplyPolicy(args->policy); });
  takes_file(apply)->required();
  apply
      ->add_option("--if-version", args->policy.if_version,
                   "Only if this version is in force (default: any)")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  apply->add_flag("--force", args->policy.force,
                  "Also when the policy has a finding that is an error");
}

// Commands for which no server is asked.
void AddLocalCommands(CLI::App* app, Arguments* args,
                      std::function<int()>* chosen) {
  app->add_subcommand("presets",
                      "Print the built-in policies and their reasons, as a "
                      "policy file")
      ->footer("Examples:\n  firebreakctl presets >policy.textproto")
      ->callback([chosen] {
        *chosen = [] {
          std::cout << engine::PresetsAsPolicy();
          return kExitOk;
        };
      });
  CLI::App* const completion = app->add_subcommand(
      "completion", "Print what a shell needs to complete these commands");
  completion->footer(
      "Examples:\n"
      "  source <(firebreakctl completion bash)\n"
      "  source <(firebreakctl completion zsh)\n"
      "  firebreakctl completion fish | source");
  completion
      ->add_option("SHELL", args->shell,
                   absl::StrJoin(CompletionShells(), ", "))
      ->required()
      ->type_name("")
      ->check(CLI::IsMember(CompletionShells()));
  completion->callback([app, args, chosen] {
    *chosen = [app, args] {
      std::cout << Completion(*app, args->shell);
      return kExitOk;
    };
  });
}

// Usage goes to standard error when it was not asked for.
int Misuse(const CLI::App& app, const std::string& what) {
  std::cerr << "firebreakctl: " << what << "\n" << app.help();
  return kExitUsage;
}

int ExitOf(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(error);
  }
  return Misuse(app, error.what());
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Looks at and controls the circuit breakers of a running process through "
      "its firebreak admin service.",
      "firebreakctl");
  Arguments args;
  // What was typed beats what the environment says.
  ReadEnvironment(&args.settings, &args.timeout);
  Command chosen;
  std::function<int()> chosen_here;
  app.footer(kExamples);
  app.set_version_flag("--version", "firebreakctl " FIREBREAK_VERSION);
  app.require_subcommand(1);
  AddCommonOptions(&app, &args);
  AddCommands(&app, &args, &chosen);
  AddPolicyCommands(&app, &args, &chosen, &chosen_here);
  AddLocalCommands(&app, &args, &chosen_here);
  // CLI11 speaks in exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitOf(app, error);
  }
  if (chosen_here) return chosen_here();
  // Of the environment: CLI11 has looked at what was typed only.
  const std::string wrong = TimeoutCheck()(args.timeout);
  if (!wrong.empty()) return Misuse(app, "FIREBREAK_TIMEOUT: " + wrong);
  args.settings.timeout = *core::ParseDuration(args.timeout);
  absl::Status ready = Prepare(&args.settings.security);
  Client client(args.settings);
  if (ready.ok()) ready = client.Connect();
  if (!ready.ok()) {
    return Misuse(app, Printable(std::string(ready.message())));
  }
  return chosen(&client);
}

}  // namespace
}  // namespace firebreak::ctl

int main(int argc, char** argv) { return firebreak::ctl::Main(argc, argv); }
