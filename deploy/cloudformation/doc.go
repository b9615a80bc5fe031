// Package cloudformation evaluates the template of this folder without AWS: what
// it makes of one set of parameters. The tests of the project read the
// configuration, the policies and the task out of that, and the tools that know
// no functions of CloudFormation, such as cfn-guard, get it as plain JSON.
//
// It knows the functions that the template uses and no others: one that is new
// is an error, and so is a name that nothing has.
package cloudformation

import (
	_ "embed"
)

// Text is flowwatch.yaml, the template.
//
//go:embed flowwatch.yaml
var Text []byte
