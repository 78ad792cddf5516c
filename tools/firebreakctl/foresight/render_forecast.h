// The output of `firebreakctl simulate`: forecasts of several policies side by
// side.
//
//   std::cout << RenderForecasts(forecasts, style);
//   std::ofstream("out.svg") << ForecastsSvg(forecasts);
//
// The same forecasts give the same bytes. Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RENDER_FORECAST_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RENDER_FORECAST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "src/sim/forecast.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

struct NamedForecast {
  std::string policy;  // its file, or another name for it
  sim::Forecast forecast;
};

// A table with a row per policy, how calls ended, what breakers did, and lines
// of success and load over time.
std::string RenderForecasts(const std::vector<NamedForecast>& forecasts,
                            const Style& style);

// A picture of success and attempts over time, with a line per policy.
std::string ForecastsSvg(const std::vector<NamedForecast>& forecasts);

// One line: {"policy":"a.textproto","calls":...}.
std::string ForecastJson(const NamedForecast& named);

// Sums `seconds` up into at most `width` equal steps of whole seconds.
std::vector<sim::Forecast::Second> InSteps(
    const std::vector<sim::Forecast::Second>& seconds, size_t width,
    int64_t* seconds_a_step);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_RENDER_FORECAST_H_
