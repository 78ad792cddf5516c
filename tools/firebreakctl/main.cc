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
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/command_line/arguments.h"
#include "tools/firebreakctl/command_line/environment.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {
namespace {

constexpr char kMethodHelp[] =
    "\"/shop.v1.PaymentService/Charge\"; its end is enough while it fits one "
    "method only: \"PaymentService/Charge\", \"Charge\"";

// The help for the methods of commands that change breakers.
constexpr char kBreakersHelp[] =
    "\"/shop.v1.PaymentService/Charge\"; its end is enough while it fits one "
    "method only: \"Charge\". \"*\": the breaker that all methods of a channel "
    "share (scope: CHANNEL), which none of them alone stands for";

constexpr char kExamples[] = R"(Examples:
  firebreakctl list
  firebreakctl show PaymentService/Charge
  firebreakctl why Charge
  firebreakctl override Charge open --for 30s
  firebreakctl clear Charge
  firebreakctl events --follow
  firebreakctl health --target order-1:50051,order-2:50051
  firebreakctl alerts --target order-1:50051 --ca ca.pem --token-file token
  firebreakctl policy diff policy.textproto
  firebreakctl policy apply policy.textproto --reason "ticket 1234"
  firebreakctl policy rollback
  firebreakctl record --for 10m -o calls.fbr
  firebreakctl advise Charge --for 5m
  firebreakctl simulate --recording calls.csv policy.textproto
  source <(firebreakctl completion bash)
  FIREBREAK_TARGET=unix:/run/shop/admin.sock firebreakctl list --json

Environment: FIREBREAK_TARGET, FIREBREAK_TIMEOUT, FIREBREAK_TLS (1),
FIREBREAK_CA, FIREBREAK_CERT, FIREBREAK_KEY, FIREBREAK_SERVER_NAME and
FIREBREAK_TOKEN_FILE stand for the options of that name, FIREBREAK_TOKEN for the
token itself. NO_COLOR: no colours. COLUMNS: the width to keep to.

Exit codes: 0 done; 1 a server said no or cannot be reached; 2 wrong usage.
`health`: 0 healthy, 1 degraded, 2 unhealthy, not to be reached, or no method of
the --channel.
`policy diff`: 0 no difference, 1 some, 2 trouble.)";

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

  CLI::App* const list = add(
      "list", "Show every method, its breakers and main figures, worst first",
      "  firebreakctl list\n"
      "  firebreakctl list --target a:50051,b:50051 --bad --limit 10\n"
      "  firebreakctl list --channel payment --json",
      [args](Client* client) {
        return args->names_only ? client->Names() : client->List(args->list);
      });
  list->add_flag("--names", args->names_only, "Only the methods' names");
  list->add_flag("--bad", args->list.bad_only,
                 "Only methods that are not healthy");
  list->add_option("--limit", args->list.limit,
                   "Only so many methods, the worst first")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->type_name("N");
  takes_method(
      add("show", "Show all there is to say about one method",
          "  firebreakctl show PaymentService/Charge\n"
          "  firebreakctl show Charge --channel payment --json",
          [args](Client* client) { return client->Show(args->method); }),
      kMethodHelp);
  takes_method(
      add("why", "Show why calls of a method were refused, retried or hedged",
          "  firebreakctl why PaymentService/Charge\n"
          "  firebreakctl why Charge --last 5 --json",
          [args](Client* client) {
            return client->Why(args->method, args->last);
          }),
      kMethodHelp)
      ->add_option("--last", args->last,
                   "Only so many decisions, the newest (default 20)")
      ->check(CLI::Range(1, 100))
      ->type_name("N");
  CLI::App* const set = takes_method(
      add("override", "Hold a method's breakers open or closed",
          "  firebreakctl override Charge open --for 30s --reason drill\n"
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
  AddReason(set, args);
  AddReason(takes_method(add("clear", "End the override of a method's breakers",
                             "  firebreakctl clear Charge",
                             [args](Client* client) {
                               return client->Clear(args->method);
                             }),
                         kBreakersHelp),
            args);
  CLI::App* const reset = takes_method(
      add("reset",
          "Close a method's breakers, empty their windows, end overrides",
          "  firebreakctl reset Charge\n"
          "  firebreakctl reset Charge --channel payment",
          [args](Client* client) { return client->Reset(args->method); }),
      kBreakersHelp);
  AddReason(reset, args);
  CLI::App* const events =
      add("events", "Show what happened, oldest first",
          "  firebreakctl events\n"
          "  firebreakctl events --follow --json\n"
          "  firebreakctl events --after 120",
          [args](Client* client) { return client->Events(args->events); });
  add("health", "Show how healthy the methods are; exit code 0, 1 or 2",
      "  firebreakctl health || echo not well",
      [](Client* client) { return client->Health(); });
  CLI::App* const alerts =
      add("alerts", "Show what somebody should look at",
          "  firebreakctl alerts\n"
          "  firebreakctl alerts --critical --json\n"
          "  firebreakctl alerts --exit-code || page somebody",
          [args](Client* client) { return client->Alerts(args->alerts); });
  alerts->add_flag("--critical", args->alerts.critical_only,
                   "Only the critical ones");
  alerts->add_flag("--exit-code", args->alerts.exit_code,
                   "Exit with 0 for none, 1 for warnings, 2 for critical ones "
                   "or a server that does not answer");
  events->add_flag("--follow", args->events.follow,
                   "Then go on with what happens, until interrupted. A server "
                   "that goes, or is silent for three times --timeout, is "
                   "asked anew until it answers, for what was missed");
  events
      ->add_option("--after", args->events.after,
                   "Only events numbered after this one")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()));
}

// Prints the error only: a page of help would push it off the screen.
int Misuse(const CLI::App& app, const std::string& what) {
  const CLI::App* deepest = &app;
  std::string name = "firebreakctl";
  while (!deepest->get_subcommands().empty()) {
    deepest = deepest->get_subcommands().front();
    absl::StrAppend(&name, " ", deepest->get_name());
  }
  std::vector<std::string> commands;
  for (const CLI::App* command : deepest->get_subcommands({})) {
    commands.push_back(command->get_name());
  }
  std::cerr << "firebreakctl: " << what << "\nUsage: " << name
            << (commands.empty() ? "" : " COMMAND") << " [OPTIONS]";
  for (const CLI::Option* option : deepest->get_options()) {
    if (option->get_positional()) std::cerr << " " << option->get_name(true);
  }
  std::cerr << "\n";
  if (!commands.empty()) {
    std::cerr << "Commands: " << absl::StrJoin(commands, ", ") << "\n";
  }
  std::cerr << "`" << name << " --help` tells more.\n";
  return kExitUsage;
}

int ExitOf(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(error);
  }
  return Misuse(app, error.what());
}

// CLI11 2.6 and later reflow the footer into paragraphs, but the examples there
// are lines.
template <class Formatter>
auto KeepLinesBelow(Formatter* formatter, int /*preferred*/)
    -> decltype(formatter->enable_footer_formatting(false)) {
  formatter->enable_footer_formatting(false);
}
template <class Formatter>
void KeepLinesBelow(Formatter* /*formatter*/, int64_t /*otherwise*/) {}

int Main(int argc, char** argv) {
  CLI::App app(
      "Looks at and controls the circuit breakers of a running process through "
      "its firebreak admin service.",
      "firebreakctl");
  Arguments args;
  // The command line overrides the environment.
  ReadEnvironment(&args.settings, &args.timeout);
  Command chosen;
  std::function<int()> chosen_here;
  KeepLinesBelow(app.get_formatter().get(), 0);  // also for its commands
  app.footer(kExamples);
  app.set_version_flag("--version", "firebreakctl " FIREBREAK_VERSION);
  app.require_subcommand(1);
  AddCommonOptions(&app, &args);
  AddCommands(&app, &args, &chosen);
  AddLiveCommands(&app, &args, &chosen);
  AddPolicyCommands(&app, &args, &chosen, &chosen_here);
  AddForesightCommands(&app, &args, &chosen, &chosen_here);
  AddLocalCommands(&app, &args, &chosen_here);
  // CLI11 reports errors as exceptions; they are caught here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitOf(app, error);
  }
  Trim(&args.settings);
  absl::StripAsciiWhitespace(&args.method);
  if (chosen_here) return chosen_here();
  // CLI11 has checked the command line only, not the environment.
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
