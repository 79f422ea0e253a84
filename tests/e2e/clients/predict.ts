// What a developer writes with the package that openapi-generator's typescript-fetch generates.

import {
  Configuration,
  Customer,
  CustomerConnectionEnum,
  CustomerContractEnum,
  CustomerPaymentMethodEnum,
  CustomerRegionEnum,
  CustomerSecurityAddonEnum,
  CustomerStreamingAddonEnum,
  EvergreenApi,
  Prediction,
  Problem,
  ProblemFromJSON,
  ResponseError,
} from "./evergreen-client";

declare const process: { argv: string[] };

function customer(tenureMonths: number): Customer {
  return {
    tenureMonths,
    contract: CustomerContractEnum.TwoYear,
    connection: CustomerConnectionEnum.Fibre,
    monthlyFee: 74.9,
    streamingAddon: CustomerStreamingAddonEnum.No,
    securityAddon: CustomerSecurityAddonEnum.Yes,
    paymentMethod: CustomerPaymentMethodEnum.Card,
    region: CustomerRegionEnum.North,
    hasApp: true,
    dataUsageGb: 210.5,
    supportCalls90d: 1,
    latePayments12m: 0,
    customerId: "C0001-000042",
    satisfaction: null,
  };
}

async function refusal(request: Promise<Prediction>): Promise<Problem> {
  try {
    await request;
  } catch (error) {
    if (error instanceof ResponseError) {
      return ProblemFromJSON(await error.response.json());
    }
    throw error;
  }
  throw new Error("a customer of negative tenure was not refused");
}

async function main(): Promise<void> {
  const api = new EvergreenApi(new Configuration({ basePath: process.argv[2], apiKey: "a key" }));
  const { status } = await api.health();
  const { modelVersion } = await api.ready();
  const { version } = await api.model();
  if (version !== modelVersion) {
    throw new Error(`${version} is described, ${modelVersion} serves`);
  }
  const one = await api.predict({ customer: customer(14) });
  const many = await api.predictBatch({ customer: [customer(0), customer(40)] });
  const refused = await refusal(api.predict({ customer: customer(-1) }));
  const answers = [one, ...many.predictions.filter((answer) => answer !== null)];
  console.log(
    JSON.stringify({
      status,
      version,
      probabilities: answers.map((answer) => answer.churnProbability),
      churn: answers.map((answer) => answer.willChurn),
      refused: [refused.status, ...(refused.errors ?? []).map((wrong) => wrong.field)],
    }),
  );
}

void main();
