#include "predict/charts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace harbinger::predict {
namespace {

std::string number(double value, const char* format = "%.1f") {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

/// From values to pixels.
class frame {
public:
  explicit frame(const chart& c)
      : c_(c),
        left_(widest(c.y) * 6.2 + 12 + (c.y.label.empty() ? 0 : 16)),
        top_(c.title.empty() ? 8 : 24),
        right_(c.width - 12),
        bottom_(c.height - (c.x.ticks.empty() ? 6 : 20) - (c.x.label.empty() ? 0 : 16)) {}
  double x(double value) const { return left_ + share(c_.x, value) * (right_ - left_); }
  double y(double value) const { return bottom_ - share(c_.y, value) * (bottom_ - top_); }
  double left() const { return left_; }
  double right() const { return right_; }
  double top() const { return top_; }
  double bottom() const { return bottom_; }

private:
  static double widest(const axis& a) {
    size_t out = 0;
    for (const auto& t : a.ticks) out = std::max(out, t.text.size());
    return static_cast<double>(out);
  }
  static double share(const axis& a, double value) {
    return std::clamp((value - a.low) / (a.high - a.low), -0.02, 1.02);
  }
  const chart& c_;
  double left_, top_, right_, bottom_;
};

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return "<line class=\"" + std::string(kind) + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1)
         + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) + "\"/>";
}
std::string text(double x, double y, const char* anchor, const std::string& what,
                 const std::string& more = {}) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\""
         + more + ">" + escape_html(what) + "</text>";
}

/// Cut to what fits, between characters of UTF-8.
std::string fitting(const std::string& title, double width) {
  const auto most = static_cast<size_t>(width / 7.6);
  size_t characters = 0;
  for (size_t i = 0; i < title.size(); ++i) {
    if ((static_cast<unsigned char>(title[i]) & 0xc0) == 0x80) continue;
    if (++characters > most) return title.substr(0, i) + "...";
  }
  return title;
}

std::string axes(const chart& c, const frame& f) {
  std::string out;
  for (const auto& t : c.x.ticks) {
    out += line("grid", f.x(t.at), f.top(), f.x(t.at), f.bottom());
    out += text(f.x(t.at), f.bottom() + 14, "middle", t.text);
  }
  for (const auto& t : c.y.ticks) {
    out += line("grid", f.left(), f.y(t.at), f.right(), f.y(t.at));
    out += text(f.left() - 5, f.y(t.at) + 4, "end", t.text);
  }
  out += line("axis", f.left(), f.bottom(), f.right(), f.bottom());
  out += line("axis", f.left(), f.top(), f.left(), f.bottom());
  if (!c.title.empty())
    out += text(f.left(), 14, "start", fitting(c.title, f.right() - f.left()), " class=\"title\"");
  if (!c.x.label.empty())
    out += text((f.left() + f.right()) / 2, c.height - 4, "middle", c.x.label, " class=\"label\"");
  double middle = (f.top() + f.bottom()) / 2;
  if (!c.y.label.empty())
    out += text(12, middle, "middle", c.y.label,
                " class=\"label\" transform=\"rotate(-90 12 " + number(middle) + ")\"");
  return out;
}

std::string path(const chart_line& l, const frame& f) {
  std::string d;
  bool pen = false;
  double before = 0;
  for (const auto& [x, y] : l.points) {
    if (!std::isfinite(x) || !std::isfinite(y)) {
      pen = false;
      continue;
    }
    if (pen && l.steps) d += "L" + number(f.x(x)) + " " + number(before);
    d += (pen ? "L" : "M") + number(f.x(x)) + " " + number(f.y(y));
    // A point alone would not be seen.
    if (!pen) d += "h0.1";
    before = f.y(y);
    pen = true;
  }
  return "<path class=\"line c" + std::to_string(std::clamp(l.colour, 0, 5)) + "\" d=\"" + d
         + "\"/>";
}

std::string marks(const chart& c, const frame& f) {
  std::string out;
  for (const auto& b : c.bars) {
    double from = f.x(b.from), to = f.x(b.to), top = f.y(b.height);
    out += "<rect class=\"bar\" x=\"" + number(from + 0.5) + "\" y=\"" + number(top) + "\" width=\""
           + number(std::max(0.5, to - from - 1)) + "\" height=\""
           + number(std::max(0.0, f.bottom() - top)) + "\"/>";
  }
  if (c.diagonal) out += line("marker", f.left(), f.bottom(), f.right(), f.top());
  for (double at : c.vertical) out += line("marker", f.x(at), f.top(), f.x(at), f.bottom());
  for (double at : c.horizontal) out += line("marker", f.left(), f.y(at), f.right(), f.y(at));
  for (const auto& l : c.lines) out += path(l, f);
  for (const auto& p : c.dots) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) continue;
    if (std::isfinite(p.low) && std::isfinite(p.high))
      out += line("whisker", f.x(p.x), f.y(p.low), f.x(p.x), f.y(p.high));
    out += "<circle class=\"dot\" cx=\"" + number(f.x(p.x)) + "\" cy=\"" + number(f.y(p.y))
           + "\" r=\"3.5\"/>";
  }
  return out;
}

} // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) switch (c) {
    case '&': out += "&amp;"; break;
    case '<': out += "&lt;"; break;
    case '>': out += "&gt;"; break;
    case '"': out += "&quot;"; break;
    case '\'': out += "&#39;"; break;
    case '\n': out += c; break;
    default: out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
    }
  return out;
}

axis linear_axis(double low, double high, std::string label, int count) {
  if (!std::isfinite(low) || !std::isfinite(high)) low = 0, high = 1;
  if (low > high) std::swap(low, high);
  if (!(high - low > 1e-12 * std::max(std::abs(low), std::abs(high)))) low -= 0.5, high += 0.5;
  double rough = (high - low) / count, decade = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * decade;
  for (double factor : {5.0, 2.5, 2.0, 1.0})
    if (factor * decade >= rough) step = factor * decade;
  axis out{low, high, {}, std::move(label)};
  auto first = std::llround(std::ceil(low / step - 1e-9)),
       last = std::llround(std::floor(high / step + 1e-9));
  for (auto i = first; i <= last; ++i) {
    double at = static_cast<double>(i) * step;
    out.ticks.push_back({at, number(at, "%.4g")});
  }
  return out;
}

axis decade_axis(double low_log10, double high_log10, std::string label) {
  axis out{low_log10, std::max(high_log10, low_log10 + 0.1), {}, std::move(label)};
  auto last = std::lround(std::floor(out.high + 1e-9));
  for (auto i = std::lround(std::ceil(low_log10)); i <= last; ++i) {
    auto at = static_cast<double>(i);
    out.ticks.push_back({at, number(std::pow(10, at), std::labs(i) <= 6 ? "%.7g" : "%.0e")});
  }
  return out;
}

std::string to_svg(const chart& c) {
  frame f(c);
  return "<svg viewBox=\"0 0 " + std::to_string(c.width) + " " + std::to_string(c.height)
         + "\" width=\"" + std::to_string(c.width) + "\" height=\"" + std::to_string(c.height)
         + "\" role=\"img\" aria-label=\"" + escape_html(c.title) + "\">" + axes(c, f) + marks(c, f)
         + "</svg>\n";
}

} // namespace harbinger::predict
