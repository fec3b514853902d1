// Usage within 80 columns, version, completion

package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// usage is cobra's template, within 80 columns.
const usage = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of all commands:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasHelpSubCommands}}

More help:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  clstr help {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" says more about a command.{{end}}
`

// finish adds to root what cobra would add by itself, and makes it refuse what cobra
// would accept: an unknown shell or topic.
func finish(root *cobra.Command) {
	root.SetUsageTemplate(usage)
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			for _, shell := range cmd.Commands() {
				shell.Long = strings.Join(foldLines(shell.Long, 80), "\n")
			}
			cmd.Short = "Print a script that makes a shell complete clstr commands"
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if len(args) > 0 {
					return fmt.Errorf("completion %s: there are bash, zsh, fish and powershell", args[0])
				}
				return nil
			}
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case "help":
			cmd.Use, cmd.Short = "help [COMMAND]", "Say more about a command"
			cmd.Long = "Say more about a command, or about a topic."
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if found, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 && found.HasParent() {
					return fmt.Errorf("no command and no topic %q: clstr help lists them", strings.Join(args, " "))
				}
				return nil
			}
		}
	}
}

// foldLines folds the lines that are too long, and leaves the others alone.
func foldLines(text string, columns int) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, fold(line, columns, "")...)
	}
	return lines
}

type versionJSON struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

type versionCmd struct{ *app }

func (c *versionCmd) command() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which clstr this is",
		Long: `Say which version of clstr this is, and from what it was built.

JSON: version, revision (the commit, or empty), modified (true if the files
differed from the commit), go, platform.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			v := built()
			return c.emit(v, func(w io.Writer) { fmt.Fprintln(w, v) })
		},
	}
}

// built returns what the build has recorded.
func built() versionJSON {
	v := versionJSON{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (v versionJSON) String() string {
	text := "clstr " + v.Version
	if v.Revision != "" {
		text += ", commit " + v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			text += " with changes"
		}
	}
	return text + ", " + v.Go + ", " + v.Platform
}
