/**
 * Runs the steps of a story in order and reports in the manner of TAP. Each step builds on the ones before: after
 * a failure the others are not run, and count as failed. Resolves with whether all passed.
 */
export async function runStory(steps) {
  let passed = 0;
  let failed = 0;
  for (const [name, step] of Object.entries(steps)) {
    const error = failed > 0 ? 'not reached' : await outcome(step);
    if (error === null) passed += 1;
    else failed += 1;
    report(passed + failed, name, error);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

async function outcome(step) {
  try {
    await step();
    return null;
  } catch (error) {
    return error.stack ?? String(error);
  }
}

function report(number, name, error) {
  console.log(`${error === null ? 'ok' : 'not ok'} ${number} - ${name}`);
  if (error !== null) console.log(error.replaceAll(/^/gm, '  # '));
}
