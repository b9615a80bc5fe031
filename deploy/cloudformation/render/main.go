// Command render writes what the CloudFormation template makes of each set of
// parameters in cloudformation.Variants, as JSON without functions:
//
//	go run ./deploy/cloudformation/render FOLDER
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flowwatch/flowwatch/deploy/cloudformation"
)

func main() {
	if err := render(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func render(args []string) error {
	if len(args) != 1 {
		return errors.New("one argument is accepted: the folder to write to")
	}
	template, err := cloudformation.Parse(cloudformation.Text)
	if err != nil {
		return err
	}
	for name, values := range cloudformation.Variants {
		stack, err := template.Resolve(values)
		if err != nil {
			return fmt.Errorf("variant %s: %w", name, err)
		}
		text, err := json.MarshalIndent(stack.JSON(), "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(args[0], name+".json"), text, 0o600); err != nil { //nolint:gosec // the folder is its argument
			return err
		}
	}
	return nil
}
