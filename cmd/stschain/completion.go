package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
)

const completionHelp = `
The shell completes commands, flags and the names of profiles:

  bash  eval "$(stschain completion bash)"           in ~/.bashrc
  zsh   eval "$(stschain completion zsh)"            in ~/.zshrc, after compinit
  fish  stschain completion fish | source            in ~/.config/fish/config.fish
`

// completion prints a script. The names of profiles are data in it, never code.
func completion(_ context.Context, c *call) error {
	script, ok := map[string]func(*call) string{"bash": (*call).bash, "zsh": (*call).zsh, "fish": (*call).fish}[c.args[0]]
	if !ok || len(c.args) > 1 {
		return usagef("completion: %q is not one of bash, zsh, fish", strings.Join(c.args, " "))
	}
	_, err := fmt.Fprint(c.stdout, script(c))
	return err
}

// flagNames returns the flags of a command, each with a dash.
func flagNames(cmd command) string {
	names := slices.Clone(cmd.flags)
	slices.Sort(names)
	for i, name := range names {
		names[i] = "-" + name
	}
	return strings.Join(names, " ")
}

// commandNames returns the names of all commands.
func commandNames() string {
	names := []string{"help"}
	for _, cmd := range commands() {
		names = append(names, cmd.name)
	}
	return strings.Join(names, " ")
}

// flagsByCommand is the case of a shell that prints the flags of each command.
func flagsByCommand(list string) string {
	var b strings.Builder
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "      %s) list=%s ;;\n", cmd.name, fmt.Sprintf(list, flagNames(cmd)))
	}
	return b.String()
}

func (*call) bash() string {
	return `_stschain() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} list= name
  COMPREPLY=()
  case $previous in
    -profile | --profile)
      while IFS= read -r name; do
        [[ $name == "$current"* ]] && COMPREPLY+=("$(printf %q "$name")")
      done < <(stschain profiles -names 2> /dev/null)
      return ;;
    -shell | --shell) list='` + strings.Join(shells, " ") + `' ;;
    help) list='` + commandNames() + `' ;;
    completion) list='bash zsh fish' ;;
    *) case ${COMP_WORDS[1]} in
` + flagsByCommand("'%s'") + `    esac ;;
  esac
  [ "$COMP_CWORD" != 1 ] || list='` + commandNames() + `'
  COMPREPLY=($(compgen -W "$list" -- "$current"))
}
complete -o default -F _stschain stschain
`
}

func (*call) zsh() string {
	return `_stschain() {
  local -a list
  case $words[CURRENT-1] in
    -profile | --profile) list=("${(@f)$(stschain profiles -names 2> /dev/null)}") ;;
    -shell | --shell) list=(` + strings.Join(shells, " ") + `) ;;
    help) list=(` + commandNames() + `) ;;
    completion) list=(bash zsh fish) ;;
    *) case $words[2] in
` + flagsByCommand("(%s)") + `    esac ;;
  esac
  (( CURRENT != 2 )) || list=(` + commandNames() + `)
  compadd -a list || _files
}
compdef _stschain stschain
`
}

func (c *call) fish() string {
	var b strings.Builder
	b.WriteString("complete -c stschain -f\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "complete -c stschain -n __fish_use_subcommand -a %s -d %s\n", cmd.name, quoteFish(cmd.does))
		c.flagSet(cmd).VisitAll(func(f *flag.Flag) {
			value := ""
			switch {
			case f.Name == "profile":
				value = " -x -a '(stschain profiles -names 2> /dev/null)'"
			case f.Name == "shell":
				value = " -x -a " + quoteFish(strings.Join(shells, " "))
			case f.Name == "token-file":
				value = " -r -F"
			default:
				if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
					value = " -x"
				}
			}
			_, usage := flag.UnquoteUsage(f)
			fmt.Fprintf(&b, "complete -c stschain -n '__fish_seen_subcommand_from %s' -o %s -d %s%s\n", cmd.name, f.Name, quoteFish(usage), value)
		})
	}
	b.WriteString("complete -c stschain -n __fish_use_subcommand -a help -d 'the flags of a command'\n")
	b.WriteString("complete -c stschain -n '__fish_seen_subcommand_from help' -a " + quoteFish(commandNames()) + "\n")
	b.WriteString("complete -c stschain -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n")
	b.WriteString("complete -c stschain -n '__fish_seen_subcommand_from exec; and contains -- -- (commandline -opc)' -F\n")
	return b.String()
}
