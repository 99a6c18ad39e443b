#include <cmath>

#include "report/format.h"
#include "report/sections.h"
#include "report/style.h"
#include "starling/report/html.h"
#include "starling/report/report.h"
#include "starling/report/svg.h"

namespace starling {
namespace {

constexpr size_t kClientsShown = 5;
constexpr size_t kClientsForHistogram = 20;

std::string div(const std::string& kind, const std::string& content) {
  return html_element("div", {{"class", kind}}, content);
}

std::string card(const std::string& title, const std::string& content) {
  return html_element("section", {{"class", "card"}}, html_text("h2", title) + content) + "\n";
}

// A small flock.
std::string mark() {
  std::string dots;
  const double places[][3] = {{3, 14, 1.6},  {7, 9, 2.0},  {10, 15, 1.5}, {13, 7, 2.4},
                              {16, 12, 1.8}, {20, 5, 1.5}, {21, 10, 2.1}};
  for (const auto& [x, y, r] : places)
    dots += html_element("circle",
                         {{"cx", report::number(x)},
                          {"cy", report::number(y)},
                          {"r", report::number(r)},
                          {"fill", "currentColor"}},
                         "");
  return html_element(
      "svg", {{"width", "24"}, {"height", "20"}, {"viewBox", "0 0 24 20"}, {"aria-hidden", "true"}},
      dots);
}

std::string tone(const PrivacyStatement& p) {
  if (!report::holds(p) || !report::is_delta_small(p) ||
      p.epsilon > report::kLargestReasonableEpsilon)
    return "bad";
  return p.epsilon <= 1.0 ? "good" : "fair";
}

// What the reader must not miss, above all else; "" where a guarantee holds.
std::string banner(const RunRecord& record) {
  bool holds = !record.privacy.empty(), seeded = false;
  for (const auto& p : record.privacy) {
    holds = holds && report::holds(p);
    seeded = seeded || p.guarantee == Guarantee::insecure_seed;
  }
  if (holds) return "";
  return div("banner", seeded ? "INSECURE SEED: NO DP GUARANTEE" : "NO DP GUARANTEE") + "\n";
}

std::string bound_line(const PrivacyStatement& p) {
  return html_element("p", {{"class", "bound"}},
                      "\u03B5 = " + report::rounded_up(p.epsilon, 2) + " " +
                          html_text("small", "at \u03B4 = " + report::number(p.delta)));
}

std::string claim_card(const PrivacyStatement& p) {
  const std::string title =
      p.unit == "client" ? "Privacy of every client" : "Privacy of every training example";
  std::string content = html_text("h2", title);
  if (report::holds(p)) content += bound_line(p);
  content += html_text("p", report::claim(p));
  return html_element("section", {{"class", "card claim " + tone(p)}}, content) + "\n";
}

std::string claims(const RunRecord& record) {
  if (record.privacy.empty())
    return html_element("section", {{"class", "card claim bad"}},
                        html_text("h2", "Privacy") + html_text("p", privacy_claim(record))) +
           "\n";
  std::string text;
  for (const auto& statement : record.privacy) text += claim_card(statement);
  return text;
}

std::string header(const RunRecord& record) {
  std::string text = div("brand", mark() + "<span>Starling run report</span>");
  text += html_text("h1", record.name);
  if (!record.description.empty())
    text += html_element("p", {{"class", "lede"}}, escape_html(record.description));
  text += html_element("p", {{"class", "meta"}},
                       escape_html("Run " + record.id + " \u00B7 " + record.started));
  return html_element("header", {}, text) + "\n";
}

std::string figure_of(const std::string& label, const std::string& value) {
  return html_element("div", {}, html_text("dt", label) + html_text("dd", value));
}

std::string figures(const RunRecord& record) {
  std::string text;
  if (const auto* last = report::last_evaluated(record)) {
    if (last->accuracy) text += figure_of("Test accuracy", report::percent(*last->accuracy));
    if (last->auc) text += figure_of("Test AUC", report::rounded(*last->auc, 4));
    if (last->f1) text += figure_of("Test F1", report::rounded(*last->f1, 4));
    if (last->loss) text += figure_of(report::loss_title(record), report::rounded(*last->loss, 4));
  }
  text += figure_of("Rounds", report::grouped(std::ssize(record.rounds)));
  text += figure_of("Clients", report::grouped(record.population));
  text += figure_of("Parameters", report::grouped(record.parameters));
  text += figure_of("Time", report::duration(record.seconds));
  return html_element("dl", {{"class", "card figures"}}, text) + "\n";
}

LineChart chart_of(const RunRecord& record, const std::string& title,
                   std::optional<double> RoundRecord::*field) {
  LineChart chart;
  chart.title = title;
  chart.x_label = "round";
  for (const auto& round : record.rounds)
    if (round.*field) chart.points.emplace_back(static_cast<double>(round.round), *(round.*field));
  return chart;
}

std::string chart_card(const LineChart& chart, bool wide = false) {
  return html_element(
      "section", {{"class", wide ? "card wide" : "card"}},
      html_text("h3", chart.title) + html_element("figure", {}, svg_line_chart(chart)));
}

std::string charts(const RunRecord& record) {
  auto accuracy = chart_of(record, "Test accuracy", &RoundRecord::accuracy);
  accuracy.percent = true;
  auto loss = chart_of(record, report::loss_title(record), &RoundRecord::loss);
  loss.colour = "var(--loss, #7a4bc4)";
  const bool is_private = !record.privacy.empty();
  if (is_private) accuracy.width = 1040;
  const bool is_regression = accuracy.points.empty() && !loss.points.empty();
  std::string text = is_regression ? "" : chart_card(accuracy, is_private);
  text += chart_card(loss);
  if (is_private) {
    auto epsilon = chart_of(record, "Epsilon spent", &RoundRecord::epsilon);
    epsilon.colour = "var(--epsilon, #0f7b6c)";
    epsilon.from_zero = true;
    epsilon.reference = record.privacy.front().target_epsilon;
    if (epsilon.reference) epsilon.reference_label = "target " + report::number(*epsilon.reference);
    text += chart_card(epsilon);
  }
  return div("charts", text) + "\n";
}

std::string row(const std::string& cell, const std::vector<std::string>& values) {
  std::string text;
  for (const auto& value : values)
    text += cell == "th" ? html_element("th", {{"scope", "col"}}, escape_html(value))
                         : html_text(cell, value);
  return html_element("tr", {}, text);
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string body;
  for (const auto& values : rows) body += row("td", values) + "\n";
  return div("scroll", html_element("table", {},
                                    html_element("thead", {}, row("th", head)) +
                                        html_element("tbody", {}, body)));
}

std::string or_dash(const std::optional<double>& value, int decimals) {
  return value ? report::rounded(*value, decimals) : "\u2013";
}

std::string clients(const RunRecord& record) {
  if (record.clients.empty()) return "";
  const bool is_private = !record.privacy.empty();
  auto sorted = report::by_epsilon(record.clients);
  if (sorted.size() > kClientsShown) sorted.resize(kClientsShown);
  std::vector<std::vector<std::string>> rows;
  for (const auto& c : sorted)
    rows.push_back({std::to_string(c.client), c.examples ? report::grouped(*c.examples) : "private",
                    report::grouped(c.rounds), report::grouped(c.steps), or_dash(c.sample_rate, 4),
                    or_dash(c.noise_multiplier, 4),
                    c.epsilon ? report::rounded_up(*c.epsilon, 4) : "\u2013"});
  std::string content = table({"Client", "Examples", "Rounds", "Noised steps", "Sampling rate",
                               "Noise multiplier", "Epsilon"},
                              rows);
  if (record.clients.size() > kClientsShown)
    content += html_element(
        "p", {{"class", "note"}},
        report::grouped(std::ssize(sorted)) + (is_private ? " largest of " : " of ") +
            report::plural(std::ssize(record.clients), "client") + "; all are in run.json.");
  if (is_private && record.clients.size() >= kClientsForHistogram) {
    Histogram histogram;
    histogram.title = "Epsilon of all clients";
    histogram.x_label = "epsilon";
    histogram.colour = "var(--epsilon, #0f7b6c)";
    for (const auto& c : record.clients)
      if (c.epsilon) histogram.values.push_back(*c.epsilon);
    content += html_element("figure", {{"style", "max-width: 620px; margin-top: 16px"}},
                            svg_histogram(histogram));
  }
  return card(is_private ? "Clients with the largest epsilon" : "Clients", content);
}

std::string section_card(const report::Section& section) {
  std::string content;
  if (!section.facts.empty()) {
    std::string facts;
    for (const auto& [label, value] : section.facts)
      facts += html_text("dt", label) + html_text("dd", value) + "\n";
    content += html_element("dl", {{"class", "facts"}}, facts);
  }
  if (!section.notes.empty()) {
    std::string notes;
    for (const auto& note : section.notes) notes += html_text("li", note) + "\n";
    content += html_element("ul", {{"class", "uncovered"}}, notes);
  }
  return content.empty() ? "" : card(section.title, content);
}

std::string details(const std::string& title, const std::string& content) {
  return html_element("details", {{"class", "card"}}, html_text("summary", title) + content) + "\n";
}

std::string rounds(const RunRecord& record) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& r : record.rounds)
    rows.push_back({std::to_string(r.round), r.clients ? report::grouped(*r.clients) : "secret",
                    report::number(r.learning_rate),
                    r.accuracy ? report::percent(*r.accuracy) : "\u2013", or_dash(r.loss, 4),
                    r.epsilon ? report::rounded_up(*r.epsilon, 4) : "\u2013"});
  return details("Rounds as a table", table({"Round", "Clients", "Learning rate", "Test accuracy",
                                             report::loss_title(record), "Epsilon"},
                                            rows));
}

// Keys stand out.
std::string highlighted(const Json& json) {
  std::string text, line;
  for (const char c : json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n") {
    line += c;
    if (c != '\n') continue;
    const size_t begin = line.find('"'), end = line.find("\": ");
    const bool is_key = end != std::string::npos && line.find_first_not_of(' ') == begin &&
                        line.find('"', begin + 1) == end;
    text += is_key ? escape_html(line.substr(0, begin)) +
                         html_text("b", line.substr(begin, end + 1 - begin)) +
                         escape_html(line.substr(end + 1))
                   : escape_html(line);
    line.clear();
  }
  return text;
}

std::string body(const RunRecord& record) {
  std::string text = claims(record) + figures(record) + charts(record);
  for (const auto& section : report::sections(record)) {
    text += section_card(section);
    if (section.title == "Ledger") text += clients(record);
  }
  if (record.privacy.empty()) text += clients(record);
  text += rounds(record);
  text +=
      details("Experiment as resolved", html_element("pre", {}, highlighted(record.experiment)));
  return banner(record) + header(record) + html_element("main", {}, text);
}

}  // namespace

std::string report_html(const RunRecord& record) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
         html_text("title", record.name + " \u00B7 Starling") + "\n" +
         html_element("style", {}, report::kStyle) + "\n</head>\n<body>\n" + body(record) +
         html_element(
             "footer", {},
             "The numbers on this page are those of run.json and ledger.jsonl beside it.") +
         "\n</body>\n</html>\n";
}

}  // namespace starling
