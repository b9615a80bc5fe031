// Package validate checks the files of deploy with the libraries of those who
// read them: goformation for CloudFormation, the AWS SDK for ECS, HashiCorp's
// parser for Terraform. It is a module of its own, so that the program depends
// on none of them:
//
//	go -C deploy/validate test ./...
package validate
