#pragma once

/// Small charts as inline SVG. Colours and fonts come from the page's style sheet by class (axis,
/// grid, line c0 ..., bar, dot, marker, hint), so that they follow its light and dark themes.
/// Points that are not finite break a line; what lies outside the axes is cut off.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace harbinger::predict {

/// Text made safe for HTML text and attributes; control characters become '?'.
std::string escape_html(std::string_view text);

struct tick {
  double at = 0;
  std::string text;
};
struct axis {
  double low = 0, high = 1;
  std::vector<tick> ticks;
  std::string label;
};
/// Low and high with at most `count` ticks of a round distance inside; a range without width or
/// that is not finite is widened to one.
axis linear_axis(double low, double high, std::string label, int count = 6);
/// In decades: values are to be given as log10.
axis decade_axis(double low_log10, double high_log10, std::string label);

struct chart_line {
  std::vector<std::pair<double, double>> points;
  int colour = 0; ///< 0..5
  bool steps = false;
};
struct chart_bar {
  double from = 0, to = 0, height = 0;
};
struct chart_dot {
  double x = 0, y = 0;
  double low = 0, high = 0; ///< NaN: no interval
};

struct chart {
  std::string title; ///< also what a screen reader says
  axis x, y;
  std::vector<chart_line> lines;
  std::vector<chart_bar> bars;
  std::vector<chart_dot> dots;
  std::vector<double> vertical, horizontal; ///< dashed markers
  bool diagonal = false;                    ///< from corner to corner
  int width = 380, height = 300;
};
std::string to_svg(const chart& c);

} // namespace harbinger::predict
