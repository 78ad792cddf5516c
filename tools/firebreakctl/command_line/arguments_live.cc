// The arguments of the commands that show live data.
#include <chrono>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "src/core/base/duration.h"
#include "tools/firebreakctl/command_line/arguments.h"
#include "tools/firebreakctl/live/serve.h"

namespace firebreak::ctl {

namespace {

// Accepts a share such as "10%", in (0 %, 100 %].
CLI::Validator ShareCheck() {
  return CLI::Validator(
      [](const std::string& typed) -> std::string {
        absl::string_view text = typed;
        double percent = 0;
        const bool is_share = absl::ConsumeSuffix(&text, "%") &&
                              absl::SimpleAtod(text, &percent) && percent > 0 &&
                              percent <= 100;
        return is_share ? "" : "is " + typed + "; allowed (0%, 100%]";
      },
      "");
}

void AddRecord(CLI::App* app, Arguments* args, Command* chosen) {
  CLI::App* const record = AddCommand(
      app, args, "record", "Record calls into a file, for simulate and advise",
      "  firebreakctl record --for 10m -o calls.fbr\n"
      "  firebreakctl record --target order-1:50051,order-2:50051 --for 1h "
      "--share 10% -o calls.fbr\n"
      "  firebreakctl simulate --recording calls.fbr policy.textproto\n\n"
      "Nothing of what calls carry is recorded. It takes the consent that a "
      "change takes.",
      [args](Client* client) {
        args->record.duration = *core::ParseDuration(args->record_for);
        absl::string_view share = args->record_share;
        if (absl::ConsumeSuffix(&share, "%") &&
            absl::SimpleAtod(share, &args->record.share)) {
          args->record.share /= 100;
        }
        return client->Record(args->record);
      },
      chosen);
  record
      ->add_option("-o,--output", args->record.path,
                   "The file, which must be absent or empty")
      ->required()
      ->type_name("TEXT");
  record
      ->add_option("--for", args->record_for,
                   "For how long (default 1m); Ctrl-C ends it before")
      ->type_name("DURATION")
      ->check(
          DurationCheck(core::Duration(1), std::chrono::hours(1), "(0, 1h]"));
  record
      ->add_option("--share", args->record_share,
                   "Only so many of the calls: 10% (default: all)")
      ->type_name("SHARE")
      ->check(ShareCheck());
  record->add_option("--method", args->record.method,
                     "Only the calls of this method; its end is enough");
  AddReason(record, args);
}

}  // namespace

void AddLiveCommands(CLI::App* app, Arguments* args, Command* chosen) {
  AddRecord(app, args, chosen);
  CLI::App* const top = AddCommand(
      app, args, "top", "Show a fleet in a terminal, live",
      "  firebreakctl top --target order-1:50051,order-2:50051\n"
      "  firebreakctl top --sort failed --filter payment\n"
      "  firebreakctl top | head -5      one frame, plain\n\n"
      "Keys: s the next order, r turned round, / a filter, up and down, q the "
      "end.",
      [args](Client* client) {
        args->top.interval = *core::ParseDuration(args->top_interval);
        return Top(client->settings(), args->top);
      },
      chosen);
  top->add_option(
         "--sort", args->top.sort,
         absl::StrCat("What comes first: ", absl::StrJoin(TopOrders(), ", "),
                      " (default worst)"))
      ->type_name("ORDER")
      ->check(CLI::IsMember(TopOrders()));
  top->add_flag("--reverse", args->top.reverse, "The other way round");
  top->add_option("--filter", args->top.filter,
                  "Only what has this in the name of method, channel or "
                  "target, or in the state");
  top->add_option("--interval", args->top_interval,
                  "How often it is drawn (default 1s)")
      ->type_name("DURATION")
      ->check(DurationCheck(std::chrono::milliseconds(100),
                            std::chrono::minutes(1), "[100ms, 1m]"));
  top->add_flag("--once", args->top.once,
                "One frame, as where output is no terminal");
  CLI::App* const serve = AddCommand(
      app, args, "serve", "Show a fleet in a browser, live",
      "  firebreakctl serve --target order-1:50051,order-2:50051\n"
      "  firebreakctl serve --listen 127.0.0.1:0\n"
      "  firebreakctl serve --allow-changes --target unix:/run/shop/admin.sock",
      [args](Client* client) { return Serve(client->settings(), args->serve); },
      chosen);
  serve
      ->add_option("--listen", args->serve.listen,
                   "Where the page is, port 0 for any that is free (default "
                   "127.0.0.1:8090). It is plain HTTP, and whoever gets there "
                   "may look")
      ->type_name("HOST:PORT");
  serve
      ->add_option("--allow-host", args->serve.hosts,
                   "A name that browsers may call it by, besides localhost and "
                   "that of --listen: of a proxy in front of it")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME");
  serve->add_flag("--allow-changes", args->serve.allow_changes,
                  "Let who has the token override, clear and reset");
  serve->add_option("--change-token-file", args->serve.change_token_file,
                    "File with that token, of 16 characters at least (default: "
                    "one is drawn and printed)");
}

}  // namespace firebreak::ctl
