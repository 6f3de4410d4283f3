import { z } from 'zod';
import { canonicalJson } from '../../domain/canonical-json.ts';
import { createVerifier } from '../../platform/signing.ts';

const answer = z.object({
  signature: z.string().nullable(),
  report: z.looseObject({
    auditId: z.string(),
    concludedAt: z.string(),
    verdict: z.string(),
    findings: z.array(z.string()),
    signedBy: z.string().nullable(),
    partitions: z.array(z.looseObject({ topic: z.string(), partition: z.number(), findings: z.array(z.string()) })),
  }),
});

/**
 * @param text the answer of the API, with `report` and `signature`
 * @param publicPem the public key
 * @returns whether the signature is the report's, and what to show a person
 * @throws Error when the file is no finished audit, or the key no Ed25519 key
 */
export function verifyAudit(text: string, publicPem: string): { valid: boolean; lines: string[] } {
  const verifier = createVerifier(publicPem);
  const parsed = answer.safeParse(parse(text));
  if (!parsed.success) {
    throw new Error('not the answer of GET /api/v1/crm-ingestion/audits/{id} for a finished audit');
  }
  const { report, signature } = parsed.data;
  const valid = signature !== null && verifier.verifies(canonicalJson(report), signature);
  const findings = [
    ...report.findings,
    ...report.partitions.flatMap((at) => at.findings.map((finding) => `${at.topic}[${at.partition}]: ${finding}`)),
  ];
  return {
    valid,
    lines: [
      `audit ${report.auditId}, concluded ${report.concludedAt}: ${report.verdict}`,
      ...findings.map((finding) => `- ${finding}`),
      signatureLine(valid, signature, { signedBy: report.signedBy, keyId: verifier.keyId }),
    ],
  };
}

function signatureLine(
  valid: boolean,
  signature: string | null,
  { signedBy, keyId }: { signedBy: string | null; keyId: string },
): string {
  if (valid) {
    return `the signature is valid: the report is as it was signed by key ${keyId}`;
  }
  if (signature === null) {
    return 'NOT SIGNED: nothing says that the report is as it was made';
  }
  return signedBy === keyId
    ? 'WRONG SIGNATURE: the report was changed after it was signed'
    : `WRONG SIGNATURE: the report names key ${signedBy}, the file holds key ${keyId}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
