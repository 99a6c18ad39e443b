#include "starling/report/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/markup.h"

namespace starling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

LineChart chart(std::vector<std::pair<double, double>> points) {
  LineChart chart;
  chart.title = "Loss";
  chart.x_label = "round";
  chart.points = std::move(points);
  return chart;
}

TEST(AxisTicks, AreRoundAndCoverTheRange) {
  EXPECT_THAT(axis_ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(axis_ticks(1, 9.5, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(axis_ticks(-3, 4, 4), ElementsAre(-4, -2, 0, 2, 4));
  EXPECT_THAT(axis_ticks(0, 400, 4), ElementsAre(0, 100, 200, 300, 400));
}

TEST(AxisTicks, CoverEveryRange) {
  const std::pair<double, double> ranges[] = {{0, 0},         {5, 5},         {-2, -2},
                                              {0, 1e-300},    {0, 1e300},     {0.1, 0.3},
                                              {1, 1 + 1e-15}, {1e9, 1e9 + 1}, {-1e-9, 1e9}};
  for (const auto& [low, high] : ranges) {
    const auto ticks = axis_ticks(low, high, 5);
    ASSERT_TRUE(ticks.size() >= 2 && ticks.size() <= 12) << low << " " << high;
    const double slack = 1e-6 * (ticks.back() - ticks.front());
    EXPECT_TRUE(ticks.front() <= low + slack && ticks.back() >= high - slack) << low << " " << high;
  }
}

TEST(LineChart, IsWellFormedAndNamesItself) {
  const auto svg = svg_line_chart(chart({{1, 2.0}, {2, 1.0}, {3, 0.5}}));
  EXPECT_EQ(test::markup_problem(svg), "");
  EXPECT_THAT(svg, HasSubstr("role=\"img\""));
  EXPECT_THAT(svg, HasSubstr("<title>Loss</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc>From 2.0000 at round 1 to 0.5000 at round 3.</desc>"));
  EXPECT_THAT(svg, HasSubstr("<title>round 2: 1.0000</title>"));
}

// The drawing is 500 x 250 with margins of 52, 16, 14 and 40; the axis goes from 0 to 2.
TEST(LineChart, PutsPointsWhereTheyBelong) {
  const auto svg = svg_line_chart(chart({{0, 0.0}, {10, 2.0}}));
  EXPECT_THAT(svg, HasSubstr("d=\"M52.0 210.0 L484.0 14.0\""));
}

TEST(LineChart, LeavesOutWhatIsNotFinite) {
  const auto svg = svg_line_chart(
      chart({{1, 2.0}, {2, std::nan("")}, {3, std::numeric_limits<double>::infinity()}, {4, 1.0}}));
  EXPECT_EQ(test::markup_problem(svg), "");
  EXPECT_EQ(test::count_of(svg, "<circle"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(LineChart, DrawsOnePointAndNone) {
  EXPECT_EQ(test::count_of(svg_line_chart(chart({{1, 0.25}})), "<circle"), 1);
  const auto empty = svg_line_chart(chart({}));
  EXPECT_EQ(test::markup_problem(empty), "");
  EXPECT_THAT(empty, HasSubstr("no data"));
}

TEST(LineChart, ShowsReferenceAndPercent) {
  auto accuracy = chart({{1, 0.5}, {2, 0.9}});
  accuracy.percent = true;
  accuracy.reference = 0.95;
  accuracy.reference_label = "goal <95>";
  const auto svg = svg_line_chart(accuracy);
  EXPECT_THAT(svg, HasSubstr("goal &lt;95&gt;"));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));
  EXPECT_THAT(svg, HasSubstr(">60 %</text>"));
  EXPECT_THAT(svg, HasSubstr("round 2: 90.00 %"));
}

TEST(LineChart, EscapesItsLabels) {
  auto hostile = chart({{1, 1.0}, {2, 2.0}});
  hostile.title = "</svg><script>alert(1)</script>";
  hostile.x_label = "\"><b>";
  const auto svg = svg_line_chart(hostile);
  EXPECT_EQ(test::markup_problem(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
}

TEST(Histogram, CountsEveryValueOnce) {
  Histogram histogram;
  histogram.title = "Epsilon";
  histogram.values = {1, 1, 1, 2, 5, 10, std::numeric_limits<double>::infinity()};
  const auto svg = svg_histogram(histogram);
  EXPECT_EQ(test::markup_problem(svg), "");
  EXPECT_THAT(svg, HasSubstr("<desc>6 values from 1.0000 to 10.0000.</desc>"));
  EXPECT_EQ(test::count_of(svg, "<rect"), 4);
  EXPECT_THAT(svg, HasSubstr(": 3</title>"));
}

TEST(Histogram, DrawsEqualValuesAndNone) {
  Histogram histogram;
  histogram.values = {3, 3, 3};
  EXPECT_EQ(test::count_of(svg_histogram(histogram), "<rect"), 1);
  histogram.values = {};
  EXPECT_THAT(svg_histogram(histogram), HasSubstr("no data"));
}

}  // namespace
}  // namespace starling
