#include "tools/hallmark/completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/hallmark/session.h"

namespace hallmark::cli {
namespace {

// A word that may stand at a place of the command line.
struct Word {
  std::string text;
  std::string description;
  bool takes_value = false;
  std::string choices;  // of the value, separated by blanks; empty: anything
};

// A command, called by `path`, e.g. "hallmark certificate issue".
struct Command {
  std::string path;
  std::vector<Word> words;    // subcommands, and the choices of a positional argument
  std::vector<Word> options;  // its own and the global ones
};

// CLI11 tells the choices of CLI::IsMember in the option's type: "TEXT:{table,json}".
std::string Choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (close == std::string::npos) return "";
  std::string choices = type.substr(open + 1, close - open - 1);
  for (char& c : choices) c = c == ',' ? ' ' : c;
  return choices;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

void AddOptions(const CLI::App& app, Command& command) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string choices = Choices(*option);
    if (option->get_positional() && !choices.empty()) {
      for (const std::string& choice : CLI::detail::split(choices, ' '))
        command.words.push_back({choice, "", false, ""});
    }
    for (const std::string& name : option->get_lnames()) {
      const std::string text = "--" + name;
      const auto same = [&text](const Word& word) { return word.text == text; };
      if (std::any_of(command.options.begin(), command.options.end(), same)) continue;
      command.options.push_back({text, FirstLine(option->get_description()), option->get_type_size() > 0, choices});
    }
  }
}

void Walk(const CLI::App& root, const CLI::App& app, const std::string& path, std::vector<Command>& commands) {
  Command command{path, {}, {}};
  AddOptions(app, command);
  if (&app != &root) AddOptions(root, command);
  for (const CLI::App* child : app.get_subcommands({})) {
    command.words.push_back({child->get_name(), FirstLine(child->get_description()), false, ""});
  }
  commands.push_back(std::move(command));
  for (const CLI::App* child : app.get_subcommands({})) Walk(root, *child, path + " " + child->get_name(), commands);
}

// In single quotes, where only the quote itself means anything.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Texts(const std::vector<Word>& words) {
  std::string texts;
  for (const Word& word : words) texts += (texts.empty() ? "" : " ") + word.text;
  return texts;
}

// "a|b": a pattern of the paths of all commands but the root, for the shells' case.
std::string PathPattern(const std::vector<Command>& commands) {
  std::string pattern;
  for (size_t i = 1; i < commands.size(); ++i) pattern += (pattern.empty() ? "" : "|") + Quoted(commands[i].path);
  return pattern;
}

std::string Bash(const std::vector<Command>& commands) {
  std::string values;
  std::string words;
  for (const Command& command : commands) {
    for (const Word& option : command.options) {
      if (!option.takes_value) continue;
      values += fmt::format("    {}) COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n",
                            Quoted(command.path + " " + option.text), Quoted(option.choices));
    }
    words += fmt::format("    {}) words={} options={} ;;\n", Quoted(command.path), Quoted(Texts(command.words)),
                         Quoted(Texts(command.options)));
  }
  return fmt::format(R"(# bash completion of hallmark. Use: source <(hallmark completion bash)
_hallmark() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command=hallmark words options i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command ${{COMP_WORDS[i]}}" in
    {}) command="$command ${{COMP_WORDS[i]}}" ;;
    esac
  done
  COMPREPLY=()
  case "$command ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{}  esac
  case "$command" in
{}  esac
  [[ $current == -* ]] && words="$options"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _hallmark hallmark
)",
                     PathPattern(commands), values, words);
}

// Words with descriptions as zsh's _describe takes them: 'word:description'.
std::string Described(const std::vector<Word>& words) {
  std::string list;
  for (const Word& word : words) list += (list.empty() ? "" : " ") + Quoted(word.text + ":" + word.description);
  return list;
}

std::string Zsh(const std::vector<Command>& commands) {
  std::string values;
  std::string words;
  for (const Command& command : commands) {
    for (const Word& option : command.options) {
      if (!option.takes_value) continue;
      values += fmt::format("    {}) {}; return ;;\n", Quoted(command.path + " " + option.text),
                            option.choices.empty() ? "_files" : "compadd " + option.choices);
    }
    words += fmt::format("    {}) subcommands=({}) options=({}) ;;\n", Quoted(command.path), Described(command.words),
                         Described(command.options));
  }
  return fmt::format(R"(#compdef hallmark
# zsh completion of hallmark. Use: source <(hallmark completion zsh), or put it as _hallmark into a folder of $fpath.
_hallmark() {{
  local command=hallmark word
  local -a subcommands options
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "$command $word" in
    {}) command="$command $word" ;;
    esac
  done
  case "$command ${{words[CURRENT-1]}}" in
{}  esac
  case "$command" in
{}  esac
  if [[ $PREFIX == -* ]]; then
    _describe option options
  elif (( $#subcommands )); then
    _describe command subcommands
  else
    _files
  fi
}}
if [[ $funcstack[1] == _hallmark ]]; then
  _hallmark "$@"
else
  compdef _hallmark hallmark
fi
)",
                     PathPattern(commands), values, words);
}

std::string Fish(const std::vector<Command>& commands) {
  std::string paths;
  for (size_t i = 1; i < commands.size(); ++i) paths += " " + Quoted(commands[i].path);
  std::string script = fmt::format(R"(# fish completion of hallmark. Use: hallmark completion fish | source
function __hallmark_at
  set -l command hallmark
  for word in (commandline -opc)[2..-1]
    if contains -- "$command $word"{}
      set command "$command $word"
    end
  end
  test "$command" = "$argv[1]"
end
)",
                                   paths);
  for (const Command& command : commands) {
    const std::string at = fmt::format("complete -c hallmark -n {}", Quoted("__hallmark_at \"" + command.path + "\""));
    for (const Word& word : command.words) {
      script += fmt::format("{} -f -a {} -d {}\n", at, Quoted(word.text), Quoted(word.description));
    }
    for (const Word& option : command.options) {
      std::string value;
      if (option.takes_value) value = option.choices.empty() ? " -r" : " -x -a " + Quoted(option.choices);
      script += fmt::format("{} -l {}{} -d {}\n", at, option.text.substr(2), value, Quoted(option.description));
    }
  }
  return script;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, const std::string& shell) {
  std::vector<Command> commands;
  Walk(app, app, app.get_name(), commands);
  if (shell == "bash") return Bash(commands);
  return shell == "zsh" ? Zsh(commands) : Fish(commands);
}

void AddCompletion(CLI::App& app, Session& session) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion = AddCommand(app, "completion", "Write a script that completes commands and options in a shell",
                                    "  source <(hallmark completion bash)\n"
                                    "  hallmark completion zsh > ~/.zsh/completions/_hallmark\n"
                                    "  hallmark completion fish > ~/.config/fish/completions/hallmark.fish");
  completion->add_option("shell", *shell, "Which shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &session, shell] { session.out << CompletionScript(app, *shell); });
}

}  // namespace hallmark::cli
