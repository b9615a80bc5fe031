// Loads a CloudFormation template with the CDK's CfnInclude, which knows every
// type and property of the current specification, and lets the CDK's own
// validation judge it: node cfninclude.js TEMPLATE
const { App, Stack } = require('aws-cdk-lib');
const { CfnInclude } = require('aws-cdk-lib/cloudformation-include');

const app = new App();
new CfnInclude(new Stack(app, 'flowwatch'), 'template', { templateFile: process.argv[2] });
const { Resources } = app.synth().getStackByName('flowwatch').template;
console.log(`CfnInclude: ${Object.keys(Resources).length} resources`);
