export default {
  compilerOptions: {
    runes: true,
    // The scope of a component's styles follows from the styles alone, so that a
    // build is the same in every directory.
    cssHash: ({ hash, css }) => `m-${hash(css)}`,
  },
  onwarn: (warning) => {
    throw new Error(`${warning.filename}:${warning.start?.line}: ${warning.message}`);
  },
};
